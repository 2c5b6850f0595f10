"""Voxels that the ground truth leaves open, as the ignore label marks them.

In a mask they hold `UNKNOWN` in all classes, so that they stay with their example
wherever its mask goes. They are in no loss and no score. The noisy mask that the
network is given has no truth there either: its x_start is what logits of zero stand
for, all classes alike likely; with recycling, the network's own prediction, made from
that, takes its place.
"""

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import logits_to_x_start, mask_to_x_start

UNKNOWN = -1.0


def mark_ignored(mask, label, ignore_label):
    """A mask that says where the label leaves the class open.

    Args:
        mask: [batch, x, y, z, num_classes], in [0, 1].
        label: int [batch, x, y, z].
        ignore_label: the label's value there.

    Returns:
        The mask, `UNKNOWN` there.
    """
    return tf.where((label == ignore_label)[..., tf.newaxis], UNKNOWN, mask)


def split_ignored(mask):
    """Takes a mask of `mark_ignored` apart.

    Args:
        mask: [batch, x, y, z, num_classes].

    Returns:
        (mask, is_labelled): the mask with zeros where it is unknown, and bool
        [batch, x, y, z], where it is known.
    """
    is_labelled = mask[..., 0] != UNKNOWN
    return tf.where(is_labelled[..., tf.newaxis], mask, 0.0), is_labelled


def known_x_start(mask, encoding):
    """The x_start of a mask of `mark_ignored`, in [-1, 1], without truth elsewhere.

    Args:
        mask: [batch, x, y, z, num_classes].
        encoding: a `MaskEncoding`.

    Returns:
        float32 of the same shape.
    """
    mask, is_labelled = split_ignored(mask)
    open_to_all = logits_to_x_start(tf.zeros(tf.shape(mask)[-1:]), encoding)
    return tf.where(is_labelled[..., tf.newaxis], mask_to_x_start(mask), open_to_all)


def has_labelled_voxels(mask):
    """Which examples of a mask of `mark_ignored` have a voxel that is known.

    Args:
        mask: [batch, x, y, z, num_classes].

    Returns:
        float32 [batch], 1 or 0.
    """
    known = tf.reduce_any(mask[..., 0] != UNKNOWN, axis=[1, 2, 3])
    return tf.cast(known, tf.float32)
