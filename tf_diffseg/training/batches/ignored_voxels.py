"""Voxels whose class the ground truth does not know: those with the ignore label.

In a mask all their classes hold `UNKNOWN`. They are in no loss and no score. The noisy
mask holds no truth there either: x_start is that of logits of zero, which make all
classes equally likely. With recycling, the network's own prediction replaces it.
"""

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import logits_to_x_start, mask_to_x_start

UNKNOWN = -1.0


def mark_ignored(mask, label, ignore_label):
    """Puts `UNKNOWN` into a mask where the label is the ignore label.

    Args:
        mask: [batch, x, y, z, num_classes], in [0, 1].
        label: int [batch, x, y, z].
        ignore_label: the ignore label.
    """
    return tf.where((label == ignore_label)[..., tf.newaxis], UNKNOWN, mask)


def split_ignored(mask):
    """Splits a mask of `mark_ignored`, [batch, x, y, z, num_classes].

    Returns:
        (mask, is_labelled): the mask with zeros where it is unknown, and bool
        [batch, x, y, z], whether it is known.
    """
    is_labelled = mask[..., 0] != UNKNOWN
    return tf.where(is_labelled[..., tf.newaxis], mask, 0.0), is_labelled


def known_x_start(mask, encoding):
    """The x_start of a mask of `mark_ignored`, in [-1, 1].

    Args:
        mask: [batch, x, y, z, num_classes].
        encoding: a `MaskEncoding`.

    Returns:
        float32 of the same shape, without truth where the mask is unknown.
    """
    mask, is_labelled = split_ignored(mask)
    open_to_all = logits_to_x_start(tf.zeros(tf.shape(mask)[-1:]), encoding)
    return tf.where(is_labelled[..., tf.newaxis], mask_to_x_start(mask), open_to_all)


def has_labelled_voxels(mask):
    """1 for each example of a mask of `mark_ignored` with a known voxel, else 0."""
    known = tf.reduce_any(mask[..., 0] != UNKNOWN, axis=[1, 2, 3])
    return tf.cast(known, tf.float32)
