"""Cropping to the part of an image that is not empty, and back.

A box is int32 (2, 3), first voxel and size, as for `tf.slice`: a size of -1 reaches to
the end.
"""

import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import affine_from_voxel, pad_before_to

WHOLE_BOX = ((0, 0, 0), (-1, -1, -1))


def foreground_box(image):
    """Finds the smallest box around all voxels brighter than a channel's darkest.

    This cuts away padding and masked-out background, but never tissue: if a scanner's
    noise fills the air, or if the image is constant, the box is the whole volume.

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
        # If nothing is occupied, both are 0, which keeps the whole axis.
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
    return affine_from_voxel(affine, box[0])


def uncrop_from_box(volume, box, shape, pad_value):
    """Undoes `crop_to_box`.

    Args:
        volume: (x', y', z', ...).
        box: the box that it was cropped to.
        shape: int32 (3,), before cropping.
        pad_value: value of the voxels around, broadcast against one voxel (...).

    Returns:
        (x, y, z, ...).
    """
    volume = tf.convert_to_tensor(volume)
    begin = tf.cast(box, tf.int32)[0]
    return pad_before_to(volume, begin, tf.cast(shape, tf.int32), pad_value)
