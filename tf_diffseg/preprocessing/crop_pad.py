"""Centred cropping and padding to a shape; with the old shape it undoes itself."""

import tensorflow as tf


def _crop_and_pad(shape, new_shape):
    """Voxels (3,) cropped and padded before the first one."""
    difference = tf.cast(shape, tf.int32) - tf.cast(new_shape, tf.int32)
    return tf.maximum(difference, 0) // 2, tf.maximum(-difference, 0) // 2


def crop_or_pad(volume, new_shape, pad_value):
    """Crops or pads each spatial axis about the centre.

    A second call with the old shape brings every voxel that was not cropped back to
    its place.

    Args:
        volume: (x, y, z, ...).
        new_shape: int32 (3,).
        pad_value: value of padded voxels, broadcast against one voxel (...).

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
    return pad_before_to(cropped, pad_before, new_shape, pad_value)


def pad_before_to(volume, before, new_shape, pad_value):
    """Pads a volume (x, y, z, ...) to a shape.

    Args:
        volume: (x, y, z, ...).
        before: int32 (3,), how many voxels come before the first one.
        new_shape: int32 (3,).
        pad_value: value of padded voxels, broadcast against one voxel (...).

    Returns:
        (x', y', z', ...) of the same type.
    """
    size = tf.shape(volume)[:3]
    paddings = tf.stack([before, new_shape - size - before], axis=1)
    unpadded_axes = tf.zeros([volume.shape.rank - 3, 2], tf.int32)
    padded = tf.pad(volume, tf.concat([paddings, unpadded_axes], axis=0))
    inside = tf.pad(tf.ones(size, tf.bool), paddings)
    ones = tf.ones_like(tf.shape(volume)[3:])
    inside = tf.reshape(inside, tf.concat([new_shape, ones], axis=0))
    padded = tf.where(inside, padded, tf.cast(pad_value, padded.dtype))
    return tf.ensure_shape(padded, [None, None, None, *volume.shape[3:]])


def crop_or_pad_affine(affine, shape, new_shape):
    """Affine (4, 4) of the cropped or padded grid."""
    crop_before, pad_before = _crop_and_pad(shape, new_shape)
    return affine_from_voxel(affine, crop_before - pad_before)


def affine_from_voxel(affine, start):
    """Affine (4, 4) of a grid whose first voxel is the voxel `start` of another."""
    affine = tf.cast(affine, tf.float32)
    shift = tf.linalg.matvec(affine[:3, :3], tf.cast(start, tf.float32))
    return affine + tf.pad(shift[:, tf.newaxis], [[0, 1], [3, 0]])
