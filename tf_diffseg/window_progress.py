"""Progress within a case, window by window."""

import contextlib
import time

from tf_diffseg.progress_bar import SECONDS_BETWEEN_LINES, progress_bar


class WindowProgress:
    """Shows the windows of a case that takes long: in a log, or below another bar.

    A `SlidingWindow` calls it from its graph. Once a window is done, it says how long
    the case will take; of the first case once two are, since the first traces the
    graph. It shows nothing outside of `of_case`, and nothing for a case of one window.

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
        self._is_traced = False

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
        num_done = int(num_done)
        if self._bar is None:
            # The time of tracing says nothing of the other windows.
            begun = 0 if self._is_traced else num_done
            self._started = time.time() if begun else self._started
            self._is_traced = True
            self._bar = progress_bar(
                total,
                "window",
                self._name,
                done=begun,
                stream=self._stream,
                started=self._started,
            )
            num_done -= begun
        is_first = self._bar.n == self._bar.initial
        self._bar.update(num_done)
        if num_done and is_first:
            seconds = (time.time() - self._started) * total / num_done
            if seconds > SECONDS_BETWEEN_LINES:
                self._bar.refresh()  # It shows how long the case will take.
