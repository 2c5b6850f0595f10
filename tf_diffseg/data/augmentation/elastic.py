"""Smooth random displacements."""

import tensorflow as tf

from tf_diffseg.data.augmentation.along_axes import apply_along_axes
from tf_diffseg.data.augmentation.random_numbers import symmetric


def elastic_displacement(shape, spacing_mm, seed, largest_mm, points_mm):
    """A displacement field: a cubic B-spline of points moved at random.

    Space does not fold while `largest_mm` is below 0.4 times `points_mm` (Choi and
    Lee 2000, for uniform cubic B-splines: 1 / 2.48).

    Args:
        shape: int (3,) or three ints: voxels of the field.
        spacing_mm: float (3,).
        seed: stateless seed [2].
        largest_mm: how far a point is moved along each axis at most.
        points_mm: distance of the points.

    Returns:
        float (3, x, y, z), in mm, at most `largest_mm` each.
    """
    matrices = [
        _spline_matrix(shape[axis], spacing_mm[axis] / points_mm) for axis in range(3)
    ]
    num_points = [tf.shape(matrix)[1] for matrix in matrices]
    moved = largest_mm * symmetric(seed, tf.stack([3, *num_points]))
    return apply_along_axes(moved, matrices)


def _spline_matrix(size, step):
    """(size, points): B-spline weights of voxels that are `step` point distances apart.

    Two points lie before the first voxel and two behind the last.
    """
    places = step * tf.range(tf.cast(size, tf.float32))
    num_points = tf.math.ceil(step * (tf.cast(size, tf.float32) - 1.0)) + 3.0
    distance = tf.abs(places[:, tf.newaxis] + 1.0 - tf.range(num_points))
    near = 2.0 / 3.0 - tf.square(distance) + distance**3 / 2.0
    far = tf.maximum(2.0 - distance, 0.0) ** 3 / 6.0
    return tf.where(distance < 1.0, near, far)
