"""Focal loss per example (Lin et al. 2017, arXiv 1708.02002)."""

import tensorflow as tf

from tf_diffseg.losses.voxels import as_floats, mean_over_voxels

# Below float32's resolution at 1. The gradient of 0 ** gamma is not finite for
# gamma < 1, and a sure prediction has exactly 0.
_SMALLEST_ERROR = 1e-8


def _focus(error, gamma):
    return tf.pow(tf.maximum(error, _SMALLEST_ERROR), gamma)


def focal_loss(mask, logits, exclusive=True, is_labelled=None, gamma=2.0):
    """Cross-entropy, each term weighted by (1 - its probability) ** gamma.

    Args:
        mask: ground truth in [0, 1], shape [batch, ..., num_classes].
        logits: same shape.
        exclusive: whether each voxel has one class, softmax; otherwise classes
            overlap, and the binary losses are averaged over them too.
        is_labelled: bool [batch, ...], voxels whose ground truth is known; the others
            are left out. None where all are.
        gamma: how much well predicted voxels are left out, 0 for cross-entropy.

    Returns:
        Loss of shape [batch].

    Raises:
        ValueError: where gamma is negative.
    """
    if gamma < 0.0:
        raise ValueError(f"gamma must not be negative, got {gamma}")
    mask, logits = as_floats(mask, logits)
    if exclusive:
        log_probabilities = tf.nn.log_softmax(logits)
        focus = _focus(1.0 - tf.exp(log_probabilities), gamma)
        loss = -tf.reduce_sum(mask * focus * log_probabilities, axis=-1)
    else:
        present, absent = tf.sigmoid(logits), tf.sigmoid(-logits)
        binary = mask * _focus(absent, gamma) * tf.nn.softplus(-logits)
        binary += (1.0 - mask) * _focus(present, gamma) * tf.nn.softplus(logits)
        loss = tf.reduce_mean(binary, axis=-1)
    return mean_over_voxels(loss, is_labelled)
