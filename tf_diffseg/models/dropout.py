"""Dropout whose numbers each example may draw by itself."""

import contextlib
import functools
import itertools
import threading

import keras
from keras import ops

_active = threading.local()  # Each replica is traced in a thread of its own.


@contextlib.contextmanager
def dropout_draws(draw):
    """Has `Dropout` take its numbers from a function, not from Keras's generators.

    These know nothing of which examples of a batch a device has.

    Args:
        draw: function (number, shape) to uniform numbers in [0, 1) of the shape
            [batch, ...]; layers that are called one after the other are given the
            numbers 0, 1, 2 and so on.
    """
    before = getattr(_active, "draws", None)
    _active.draws = (functools.partial(draw, number) for number in itertools.count())
    try:
        yield
    finally:
        _active.draws = before


def next_draw():
    """What the next `Dropout` would draw with: a function of the shape, or None."""
    draws = getattr(_active, "draws", None)
    return None if draws is None else next(draws)


@keras.saving.register_keras_serializable(package="tf_diffseg")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, by the numbers of `dropout_draws` where there are any."""

    def call(self, inputs, training=False):
        """Drops features.

        Args:
            inputs: features [batch, ...].
            training: whether to drop any.

        Returns:
            Features of the same shape.
        """
        draw = next_draw() if training and self.rate else None
        if draw is None:
            return super().call(inputs, training=training)
        is_kept = draw(ops.shape(inputs)) >= self.rate
        return ops.where(is_kept, inputs / (1.0 - self.rate), ops.zeros_like(inputs))
