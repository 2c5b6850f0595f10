"""Mirrors cases."""

import tensorflow as tf

from tf_diffseg.data.augmentation.options import AXES, check_options
from tf_diffseg.data.augmentation.random_numbers import uniform


def flip(image, label, seed, flip_axes, probability=0.5):
    """Mirrors an image and its label along random axes.

    Args:
        image: (x, y, z, channels).
        label: (x, y, z).
        seed: stateless seed [2].
        flip_axes: axes that may be mirrored, of "xyz"; others raise a ValueError.
        probability: probability of mirroring each of them.

    Returns:
        (image, label) of the same shapes.
    """
    check_options({"flip_axes": flip_axes, "flip_probability": probability})
    allowed = tf.constant([axis in flip_axes for axis in AXES])
    drawn = allowed & (uniform(seed, [3]) < probability)
    axes = tf.boolean_mask(tf.range(3), drawn)
    return (
        tf.ensure_shape(tf.reverse(image, axes), image.shape),
        tf.ensure_shape(tf.reverse(label, axes), label.shape),
    )
