"""A model's weights as an export stores them, and a way to run the model on them."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from tf_diffseg.serving.choices import WEIGHT_TYPES


class StoredWeights:
    """Copies of the floating point weights of models.

    Half as many bits give half as large a file. Each weight is rounded once, and the
    network computes in its own type as before.

    Args:
        model: a built Keras model, or a list of several.
        dtype: one of `choices.WEIGHT_TYPES`.

    Attributes:
        module: `tf.Module` to save, which holds the copies.
        names: path of each weight in its model, in the order of the copies.

    Raises:
        ValueError: `dtype` is not in `WEIGHT_TYPES`, or a weight is too large for it.
    """

    def __init__(self, model, dtype="float32"):
        if dtype not in WEIGHT_TYPES:
            raise ValueError(
                f"weights must be of {', '.join(WEIGHT_TYPES)}, got {dtype!r}"
            )
        models = model if isinstance(model, list) else [model]
        self._originals = [
            weight
            for model in models
            for weight in model.weights
            if "float" in str(weight.dtype)
        ]
        self.names = [original.path for original in self._originals]
        self.module = tf.Module()
        self.module.weights = [
            tf.Variable(_rounded(original, dtype), trainable=False)
            for original in self._originals
        ]

    @contextlib.contextmanager
    def in_place(self):
        """A scope in which the models run on the stored weights."""
        pairs = zip(self._originals, self.module.weights, strict=True)
        mapping = [
            (original, tf.cast(value, original.dtype)) for original, value in pairs
        ]
        with keras.StatelessScope(mapping):
            yield


def _rounded(original, dtype):
    value = tf.cast(tf.convert_to_tensor(original), dtype)
    if not np.isfinite(np.asarray(value, np.float32)).all():
        raise ValueError(f"the weight {original.path} is too large for {dtype}")
    return value
