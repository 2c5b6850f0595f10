"""Blurs images and simulates low resolution, in millimetres."""

import tensorflow as tf

from tf_diffseg.data.augmentation.along_axes import (
    apply_along_axes,
    channels_first,
    channels_last,
    rows_that_sum_to_one,
)


def blur(image, spacing_mm, sigma_mm):
    """Blurs an image by a Gaussian of the same width in mm along each axis.

    Args:
        image: float (x, y, z, channels).
        spacing_mm: float (3,).
        sigma_mm: float scalar; 0 changes nothing.

    Returns:
        Image of the same shape. Voxels near its ends are means of fewer voxels.
    """
    matrices = [
        _gaussian_matrix(tf.shape(image)[axis], sigma_mm / spacing_mm[axis])
        for axis in range(3)
    ]
    return _filtered(image, matrices)


def lower_resolution(image, spacing_mm, factor):
    """Simulates a scanner with larger voxels, and interpolates back.

    The simulated voxel is a cube with `factor` times the finest spacing. Axes whose
    spacing is already as large do not change.

    Args:
        image: float (x, y, z, channels).
        spacing_mm: float (3,).
        factor: float scalar, at least 1; 1 changes nothing.

    Returns:
        Image of the same shape.
    """
    voxel_mm = factor * tf.reduce_min(spacing_mm)
    matrices = [
        _low_resolution_matrix(
            tf.shape(image)[axis], tf.maximum(voxel_mm / spacing_mm[axis], 1.0)
        )
        for axis in range(3)
    ]
    return _filtered(image, matrices)


def _filtered(image, matrices):
    filtered = apply_along_axes(channels_first(image), matrices)
    return tf.ensure_shape(channels_last(filtered), image.shape)


def _gaussian_matrix(size, sigma):
    """Makes weights (size, size) of a Gaussian; `sigma` is in voxels."""
    places = tf.range(tf.cast(size, tf.float32))
    # Such a small sigma already gives the neighbours no weight, and is not 0.
    distances = (places[:, tf.newaxis] - places) / tf.maximum(sigma, 1e-3)
    return rows_that_sum_to_one(tf.exp(-0.5 * tf.square(distances)))


def _low_resolution_matrix(size, factor):
    """Makes weights (size, size): means of boxes, then interpolation between them."""
    size = tf.cast(size, tf.float32)
    places = tf.range(size)
    # Boxes of `factor` voxels cover the axis; the last may reach beyond its end.
    starts = factor * tf.range(tf.math.ceil(size / factor))
    overlap = tf.minimum(places + 1.0, starts[:, tf.newaxis] + factor) - tf.maximum(
        places, starts[:, tf.newaxis]
    )
    means = rows_that_sum_to_one(tf.maximum(overlap, 0.0))  # (boxes, size)
    num_boxes = tf.cast(tf.shape(starts)[0], tf.float32)
    between = tf.clip_by_value((places + 0.5) / factor - 0.5, 0.0, num_boxes - 1.0)
    distances = tf.abs(between[:, tf.newaxis] - tf.range(num_boxes))
    return tf.maximum(1.0 - distances, 0.0) @ means
