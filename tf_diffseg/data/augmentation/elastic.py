"""Draws smooth displacements."""

import tensorflow as tf

from tf_diffseg.data.augmentation.along_axes import apply_along_axes
from tf_diffseg.data.augmentation.random_numbers import symmetric


def elastic_displacement(shape, spacing_mm, seed, largest_mm, points_mm):
    """Draws a displacement field: a cubic B-spline whose points move at random.

    Space does not fold if `largest_mm` is below 0.4 times `points_mm` (Choi and Lee
    2000: 1 / 2.48 for uniform cubic B-splines).

    Args:
        shape: int (3,) or three ints, voxels of the field.
        spacing_mm: float (3,).
        seed: stateless seed [2].
        largest_mm: largest movement of a point along each axis.
        points_mm: distance of the points.

    Returns:
        float (3, x, y, z) in mm, each at most `largest_mm`.
    """
    matrices = [
        _spline_matrix(shape[axis], spacing_mm[axis] / points_mm) for axis in range(3)
    ]
    num_points = [tf.shape(matrix)[1] for matrix in matrices]
    moved = largest_mm * symmetric(seed, tf.stack([3, *num_points]))
    return apply_along_axes(moved, matrices)


def _spline_matrix(size, step):
    """Makes B-spline weights (size, points) of voxels `step` point distances apart.

    Two points lie before the first voxel and two behind the last.
    """
    places = step * tf.range(tf.cast(size, tf.float32))
    num_points = tf.math.ceil(step * (tf.cast(size, tf.float32) - 1.0)) + 3.0
    distance = tf.abs(places[:, tf.newaxis] + 1.0 - tf.range(num_points))
    near = 2.0 / 3.0 - tf.square(distance) + distance**3 / 2.0
    far = tf.maximum(2.0 - distance, 0.0) ** 3 / 6.0
    return tf.where(distance < 1.0, near, far)
