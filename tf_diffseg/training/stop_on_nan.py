"""An end to a run whose loss is no number any more."""

import math

import keras


class StopOnNaN(keras.callbacks.Callback):
    """Raises FloatingPointError at the end of an epoch whose loss is not finite.

    Unlike `keras.callbacks.TerminateOnNaN` it keeps the callbacks behind it from
    saving what is left of the model.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Checks the mean loss of the epoch."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss of epoch {epoch + 1} is {loss}; training stops at the "
                "checkpoint before it. A smaller learning rate may help"
            )
