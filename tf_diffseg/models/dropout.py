"""Dropout whose random numbers the caller may give."""

import contextlib
import functools
import itertools
import threading

import keras
from keras import ops

_active = threading.local()  # Each replica is traced in its own thread.


@contextlib.contextmanager
def dropout_draws(draw):
    """Makes `Dropout` take its numbers from a function, not from Keras's generators.

    Keras's generators do not know which examples of a batch a device has.

    Args:
        draw: function (number, shape) that returns uniform numbers in [0, 1) of the
            shape [batch, ...]; `number` counts the calls of layers: 0, 1, 2 and so on.
    """
    before = getattr(_active, "draws", None)
    _active.draws = (functools.partial(draw, number) for number in itertools.count())
    try:
        yield
    finally:
        _active.draws = before


def next_draw():
    """Takes the `draw` of the next `Dropout`: a function of the shape, or None."""
    draws = getattr(_active, "draws", None)
    return None if draws is None else next(draws)


@keras.saving.register_keras_serializable(package="tf_diffseg")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that uses the numbers of `dropout_draws`, if given."""

    def call(self, inputs, training=False):
        """Drops features of `inputs` [batch, ...] if `training`; keeps the shape."""
        draw = next_draw() if training and self.rate else None
        if draw is None:
            return super().call(inputs, training=training)
        is_kept = draw(ops.shape(inputs)) >= self.rate
        return ops.where(is_kept, inputs / (1.0 - self.rate), ops.zeros_like(inputs))
