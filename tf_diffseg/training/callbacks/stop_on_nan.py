"""Ends a run whose loss is not finite."""

import math

import keras

from tf_diffseg.training.saving.checkpoints import newest_whole_checkpoint


class StopOnNaN(keras.callbacks.Callback):
    """Raises FloatingPointError at the first step whose loss is not finite.

    Unlike `keras.callbacks.TerminateOnNaN` it keeps later callbacks from saving the
    model, and names the batch and the last good checkpoint.

    Args:
        checkpoint_dir: folder of the checkpoints, or None.
        uids_of: function (epoch, step), both counted from 0, to the uids of the cases
            of that batch; or None.
    """

    def __init__(self, checkpoint_dir=None, uids_of=None):
        super().__init__()
        self.checkpoint_dir = checkpoint_dir
        self.uids_of = uids_of
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Checks the mean loss of the epoch so far."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} from step {batch + 1} of epoch {self._epoch + 1} "
                f"on{self._cases(batch)}. {self._last_good()}; a smaller learning rate "
                "may help"
            )

    def _cases(self, batch):
        if self.uids_of is None:
            return ""
        return f", whose batch is of {', '.join(self.uids_of(self._epoch, batch))}"

    def _last_good(self):
        path = self.checkpoint_dir and newest_whole_checkpoint(self.checkpoint_dir)[0]
        if not path:
            return "Nothing is saved yet"
        return f"The last good checkpoint is {path}"
