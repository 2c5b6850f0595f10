"""Soft Dice loss, per example and class (Milletari et al. 2016, V-Net)."""

import tensorflow as tf

from tf_diffseg.losses.voxels import as_floats, only_labelled, spatial_axes

# Prevents 0 / 0; it is far below the smallest mask, which is one voxel.
_SMALLEST_SIZE = 1e-7


def dice_loss(mask, probabilities, is_labelled=None):
    """1 - 2 |mask * probabilities| / (|mask| + |probabilities|), without smoothing.

    Args:
        mask: ground truth in [0, 1], shape [batch, ..., num_classes].
        probabilities: predictions in [0, 1], same shape.
        is_labelled: as for `cross_entropy_loss`.

    Returns:
        Loss of shape [batch, num_classes] in [0, 1]; 1 for a class that is absent
        from the mask, see `mean_over_present_classes`.
    """
    mask, probabilities = (
        only_labelled(volume, is_labelled) for volume in as_floats(mask, probabilities)
    )
    axes = spatial_axes(mask)
    intersection = tf.reduce_sum(mask * probabilities, axes)
    size = tf.reduce_sum(mask, axes) + tf.reduce_sum(probabilities, axes)
    return 1.0 - 2.0 * intersection / tf.maximum(size, _SMALLEST_SIZE)


def dice_loss_from_logits(mask, logits, exclusive=True, is_labelled=None):
    """`dice_loss` of the softmax or sigmoid of logits.

    Args:
        mask: ground truth in [0, 1], shape [batch, ..., num_classes].
        logits: same shape.
        exclusive: whether each voxel has one class, with softmax; otherwise classes
            overlap, with sigmoid.
        is_labelled: as for `cross_entropy_loss`.

    Returns:
        Loss of shape [batch, num_classes].
    """
    mask, logits = as_floats(mask, logits)
    probabilities = tf.nn.softmax(logits) if exclusive else tf.sigmoid(logits)
    return dice_loss(mask, probabilities, is_labelled)
