"""Progress of a training run on the screen or in a log file."""

import datetime
import sys
import time

import keras

from tf_diffseg.training.distribution.step_groups import is_of_steps


class Progress(keras.callbacks.Callback):
    """Shows epoch, step, losses, rate and the time left of the whole run.

    It leaves out the series over time steps. On a terminal it updates one line; in a
    log file it writes a line every `seconds_between_lines`.

    Args:
        batch_size: examples per step, over all replicas.
        seconds_between_lines: seconds between lines of a log file.
        stream: where to write; by default `sys.stdout`.
        first_step: steps of the first epoch that were done before.
    """

    def __init__(
        self, batch_size, seconds_between_lines=15.0, stream=None, first_step=0
    ):
        super().__init__()
        self.batch_size = batch_size
        self.seconds_between_lines = seconds_between_lines
        self.stream = stream or sys.stdout
        self._is_terminal = self.stream.isatty()
        self.first_step = first_step
        self._epoch = 0
        self._last_line = 0.0
        self._training_seconds = 0.0
        self._steps_done = 0
        self._step_began = None

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock of a step."""
        del batch, logs
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Counts a step and shows where the run is."""
        if batch < self.first_step:
            return  # This step was skipped.
        now = time.perf_counter()
        # The first step also traces the graph, so it does not count.
        if self._steps_done:
            self._training_seconds += now - self._step_began
        self._steps_done += 1
        interval = 0.2 if self._is_terminal else self.seconds_between_lines
        is_last = batch + 1 == self.params["steps"]  # The epoch's own line comes.
        if now - self._last_line >= interval and not is_last:
            self._last_line = now
            self._write(self._line(batch + 1, logs), is_final=False)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's losses and scores, which stay on the screen."""
        del epoch
        self.first_step = 0
        self._write(self._line(self.params["steps"], logs), is_final=True)

    def _line(self, step, logs):
        epochs, steps = self.params["epochs"], self.params["steps"]
        parts = [f"epoch {self._epoch + 1}/{epochs}", f"step {step}/{steps}"]
        parts += [
            f"{name} {float(value):.4f}"
            for name, value in (logs or {}).items()
            if not is_of_steps(name)
        ]
        if self._training_seconds:
            rate = (self._steps_done - 1) / self._training_seconds
            left = (epochs - self._epoch) * steps - step
            seconds = datetime.timedelta(seconds=round(left / rate))
            parts += [f"{rate * self.batch_size:.2f} examples/s", f"{seconds} left"]
        return "  ".join(parts)

    def _write(self, line, is_final):
        if self._is_terminal:
            # Back to the start of the line, and clear what it held.
            self.stream.write(f"\r\x1b[K{line}" + ("\n" if is_final else ""))
        else:
            self.stream.write(line + "\n")
        self.stream.flush()
