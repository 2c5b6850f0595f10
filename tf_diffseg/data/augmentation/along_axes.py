"""Applies linear operations along each axis, as small dense matrices.

Blur, simulated low resolution and spline fields are such operations. A volume of 40
voxels per side needs 40x40 matrices. That is less work than a convolution with padding,
and the ends of the volume need no special case.
"""

import tensorflow as tf


def apply_along_axes(volumes, matrices):
    """Multiplies a matrix along each spatial axis.

    Args:
        volumes: float (n, x, y, z).
        matrices: three floats: (X, x), (Y, y) and (Z, z).

    Returns:
        float (n, X, Y, Z).
    """
    along_x, along_y, along_z = matrices
    n, x, y, z = tf.unstack(tf.shape(volumes))
    new_x, new_y, new_z = (tf.shape(matrix)[0] for matrix in matrices)
    volumes = along_x @ tf.reshape(volumes, [n, x, y * z])  # (n, X, y * z)
    volumes = along_y @ tf.reshape(volumes, [n * new_x, y, z])  # (n * X, Y, z)
    volumes = tf.matmul(
        tf.reshape(volumes, [n * new_x * new_y, z]), along_z, transpose_b=True
    )
    return tf.reshape(volumes, [n, new_x, new_y, new_z])


def channels_first(image):
    """Turns (x, y, z, channels) into (channels, x, y, z)."""
    return tf.transpose(image, [3, 0, 1, 2])


def channels_last(image):
    """Turns (channels, x, y, z) into (x, y, z, channels)."""
    return tf.transpose(image, [1, 2, 3, 0])


def rows_that_sum_to_one(weights):
    """Scales the rows of a matrix, so that it computes weighted means."""
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
