"""Centred cropping and padding to a shape; the same call undoes it."""

import tensorflow as tf


def _crop_and_pad(shape, new_shape):
    """Voxels (3,) cropped and padded before the first one."""
    difference = tf.cast(shape, tf.int32) - tf.cast(new_shape, tf.int32)
    return tf.maximum(difference, 0) // 2, tf.maximum(-difference, 0) // 2


def crop_or_pad(volume, new_shape, pad_value):
    """Crops or pads each spatial axis about the centre.

    Back with the old shape, every voxel that was not cropped is where it was.

    Args:
        volume: (x, y, z, ...).
        new_shape: int32 (3,).
        pad_value: what padding holds, broadcast against one voxel (...).

    Returns:
        (x', y', z', ...) of the same type.
    """
    volume = tf.convert_to_tensor(volume)
    shape = tf.shape(volume)
    trailing = tf.zeros_like(shape[3:])
    new_shape = tf.cast(new_shape, tf.int32)
    crop_before, pad_before = _crop_and_pad(shape[:3], new_shape)
    kept = tf.minimum(shape[:3], new_shape)
    cropped = tf.slice(
        volume,
        tf.concat([crop_before, trailing], axis=0),
        tf.concat([kept, shape[3:]], axis=0),
    )
    paddings = tf.stack([pad_before, new_shape - kept - pad_before], axis=1)
    inside = tf.pad(tf.ones(kept, tf.bool), paddings)
    unpadded_axes = tf.zeros([volume.shape.rank - 3, 2], tf.int32)
    padded = tf.pad(cropped, tf.concat([paddings, unpadded_axes], axis=0))
    inside = tf.reshape(inside, tf.concat([new_shape, trailing + 1], axis=0))
    padded = tf.where(inside, padded, tf.cast(pad_value, padded.dtype))
    return tf.ensure_shape(padded, [None, None, None, *volume.shape[3:]])


def crop_or_pad_affine(affine, shape, new_shape):
    """Affine (4, 4) of the cropped or padded grid."""
    affine = tf.cast(affine, tf.float32)
    crop_before, pad_before = _crop_and_pad(shape, new_shape)
    start = tf.cast(crop_before - pad_before, tf.float32)
    shift = tf.linalg.matvec(affine[:3, :3], start)
    return affine + tf.pad(shift[:, tf.newaxis], [[0, 1], [3, 0]])
