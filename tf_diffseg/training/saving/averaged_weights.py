"""Validation with the moving averages of the weights."""

import keras
import numpy as np

from tf_diffseg.training.saving.checkpoints import use_averaged_weights
from tf_diffseg.training.saving.optimizer_state import trained_variables


class AveragedWeights(keras.callbacks.Callback):
    """Validates a model with its averaged weights, if its optimizer has `use_ema`.

    It restores the weights bit for bit; `keras.callbacks.SwapEMAWeights` swaps by
    additions, which round. Put it before every callback that saves the model.
    """

    def __init__(self):
        super().__init__()
        self._kept = None

    def on_test_begin(self, logs=None):
        """Puts the averages in place."""
        del logs
        variables = trained_variables(self.model.optimizer)
        self._kept = [np.asarray(variable) for variable in variables]
        use_averaged_weights(self.model)

    def on_test_end(self, logs=None):
        """Puts the weights back."""
        del logs
        variables = trained_variables(self.model.optimizer)
        for variable, value in zip(variables, self._kept, strict=True):
            variable.assign(value)
        self._kept = None
