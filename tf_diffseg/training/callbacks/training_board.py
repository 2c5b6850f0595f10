"""TensorBoard logs with the examples per second."""

import math
import time

import keras


class TrainingBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, with the examples per second of each epoch.

    The other values are the logs of the model and of Keras: losses, Dice, learning
    rate, gradient norm. Values that are not finite are left out.

    Args:
        log_dir: folder of the logs.
        batch_size: examples per step, over all replicas.
        first_step: steps of the first epoch that were done before.
    """

    def __init__(self, log_dir, batch_size, first_step=0):
        super().__init__(log_dir, write_graph=False)
        self.batch_size = batch_size
        self.first_step = first_step
        self._is_traced = False
        self._steps = 0
        self._seconds = 0.0
        self._step_began = None

    def on_epoch_begin(self, epoch, logs=None):
        """Resets the count of steps."""
        super().on_epoch_begin(epoch, logs)
        self._steps, self._seconds = 0, 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock of a step."""
        super().on_train_batch_begin(batch, logs)
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Stops the clock."""
        # Without Keras's own method, which reads all values of each step in vain.
        if batch < self.first_step:
            return  # This step was skipped.
        float((logs or {}).get("loss", 0.0))  # Waits for the GPU.
        if self._is_traced:
            self._steps += 1
            self._seconds += time.perf_counter() - self._step_began
        self._is_traced = True  # The first step traces, so it does not count.

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch."""
        self.first_step = 0
        values = {
            name: float(value)
            for name, value in (logs or {}).items()
            if math.isfinite(float(value))
        }
        if self._steps:
            values["examples_per_second"] = (
                self._steps * self.batch_size / self._seconds
            )
        super().on_epoch_end(epoch, values)
