"""Focal loss per example (Lin et al. 2017, arXiv 1708.02002)."""

import tensorflow as tf

from tf_diffseg.losses.voxels import as_floats, mean_over_voxels

# A certain prediction has the error 0, and the gradient of 0 ** gamma is not finite for
# gamma < 1. This is below float32's resolution at 1.
_SMALLEST_ERROR = 1e-8


def _focus(error, gamma):
    return tf.pow(tf.maximum(error, _SMALLEST_ERROR), gamma)


def focal_loss(mask, logits, exclusive=True, is_labelled=None, gamma=2.0):
    """Cross-entropy, each term weighted by (1 - its probability) ** gamma.

    Args:
        mask: as for `cross_entropy_loss`.
        logits: as for `cross_entropy_loss`.
        exclusive: as for `cross_entropy_loss`.
        is_labelled: as for `cross_entropy_loss`.
        gamma: the larger it is, the less well predicted voxels count; 0 gives
            cross-entropy.

    Returns:
        Loss of shape [batch].

    Raises:
        ValueError: if gamma is negative.
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
