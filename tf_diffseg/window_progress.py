"""Progress within a case, window by window."""

import contextlib
import time

from tf_diffseg.progress_bar import SECONDS_BETWEEN_LINES, progress_bar


class WindowProgress:
    """Shows the windows of a case that takes long: in a log, or below another bar.

    A `SlidingWindow` calls it from its graph. Once the first window is done, it says
    how long the case will take. It shows nothing outside of `of_case`, and nothing for
    a case of one window.

    Args:
        num_passes: how often each window of a case is segmented: number of models times
            number of samples.
        stream: where to write; by default `sys.stderr`.
    """

    def __init__(self, num_passes, stream=None):
        self._num_passes = num_passes
        self._stream = stream
        self._name = self._bar = None
        self._started = 0.0

    @contextlib.contextmanager
    def of_case(self, name):
        """Shows what is done in the context as the case `name`."""
        self._name, self._started = name, time.time()
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.close()
            self._name = self._bar = None

    def __call__(self, num_done, num_windows):
        """Counts windows.

        Args:
            num_done: number of windows that are done since the last call, each counted
                once per sample.
            num_windows: number of windows of a volume.
        """
        total = int(num_windows) * self._num_passes
        if self._name is None or total == 1:
            return
        is_first = self._bar is None
        if is_first:
            self._bar = progress_bar(
                total,
                "window",
                self._name,
                stream=self._stream,
                started=self._started,
            )
        self._bar.update(int(num_done))
        seconds = (time.time() - self._started) * total / max(int(num_done), 1)
        if is_first and seconds > SECONDS_BETWEEN_LINES:
            self._bar.refresh()  # It shows how long the case will take.
