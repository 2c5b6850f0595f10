"""Cropping to the part of an image that is not empty, and back.

A box is int32 (2, 3), first voxel and size, as `tf.slice` takes them: a size of -1
reaches to the end.
"""

import tensorflow as tf

WHOLE_BOX = ((0, 0, 0), (-1, -1, -1))


def foreground_box(image):
    """Smallest box around all that is brighter than a channel's darkest voxel.

    That cuts padding and masked-out background away, and never tissue: where a
    scanner's noise fills the air, the box is the whole volume, as it is for a
    constant image.

    Args:
        image: (x, y, z, c).

    Returns:
        int32 (2, 3).
    """
    darkest = tf.reduce_min(image, axis=(0, 1, 2))
    inside = tf.reduce_any(image > darkest, axis=-1)
    begin, size = [], []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        occupied = tf.cast(tf.reduce_any(inside, axis=others), tf.int32)
        # All empty, argmax is 0 both ways, which is the whole axis.
        before = tf.argmax(occupied, output_type=tf.int32)
        after = tf.argmax(tf.reverse(occupied, [0]), output_type=tf.int32)
        begin.append(before)
        size.append(tf.shape(occupied)[0] - before - after)
    return tf.stack([begin, size])


def box_size(box, shape):
    """Voxels (3,) of a box in a volume of a shape (3,)."""
    box = tf.cast(box, tf.int32)
    return tf.where(box[1] < 0, tf.cast(shape, tf.int32) - box[0], box[1])


def crop_to_box(volume, box):
    """The part (x', y', z', ...) of a volume (x, y, z, ...)."""
    volume = tf.convert_to_tensor(volume)
    box = tf.cast(box, tf.int32)
    trailing = tf.zeros_like(tf.shape(volume)[3:])
    begin = tf.concat([box[0], trailing], axis=0)
    cropped = tf.slice(volume, begin, tf.concat([box[1], trailing - 1], axis=0))
    return tf.ensure_shape(cropped, [None, None, None, *volume.shape[3:]])


def crop_affine_to_box(affine, box):
    """Affine (4, 4) of the cropped grid."""
    affine = tf.cast(affine, tf.float32)
    shift = tf.linalg.matvec(affine[:3, :3], tf.cast(box, tf.float32)[0])
    return affine + tf.pad(shift[:, tf.newaxis], [[0, 1], [3, 0]])


def uncrop_from_box(volume, box, shape, pad_value):
    """Undoes `crop_to_box`.

    Args:
        volume: (x', y', z', ...).
        box: that it was cropped to.
        shape: int32 (3,), before.
        pad_value: what was cropped away becomes, broadcast against a voxel (...).

    Returns:
        (x, y, z, ...).
    """
    volume = tf.convert_to_tensor(volume)
    size = tf.shape(volume)[:3]
    begin = tf.cast(box, tf.int32)[0]
    paddings = tf.stack([begin, tf.cast(shape, tf.int32) - begin - size], axis=1)
    unpadded = tf.zeros([volume.shape.rank - 3, 2], tf.int32)
    padded = tf.pad(volume, tf.concat([paddings, unpadded], axis=0))
    inside = tf.pad(tf.ones(size, tf.bool), paddings)
    ones = tf.ones_like(tf.shape(volume)[3:])
    inside = tf.reshape(inside, tf.concat([tf.shape(inside), ones], axis=0))
    padded = tf.where(inside, padded, tf.cast(pad_value, padded.dtype))
    return tf.ensure_shape(padded, [None, None, None, *volume.shape[3:]])
