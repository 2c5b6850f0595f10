"""Cross-entropy per example."""

import tensorflow as tf

from tf_diffseg.losses.voxels import as_floats, mean_over_voxels


def cross_entropy_loss(mask, logits, exclusive=True, is_labelled=None):
    """Cross-entropy, averaged over voxels.

    Args:
        mask: ground truth in [0, 1], shape [batch, ..., num_classes].
        logits: same shape.
        exclusive: whether each voxel has one class, with softmax; otherwise classes
            overlap, and the binary cross-entropies are averaged over them too.
        is_labelled: bool [batch, ...], voxels whose ground truth is known; the others
            are left out. None if all are known.

    Returns:
        Loss of shape [batch], in nats.
    """
    mask, logits = as_floats(mask, logits)
    if exclusive:
        loss = -tf.reduce_sum(mask * tf.nn.log_softmax(logits), axis=-1)
    else:
        binary = tf.nn.sigmoid_cross_entropy_with_logits(labels=mask, logits=logits)
        loss = tf.reduce_mean(binary, axis=-1)
    return mean_over_voxels(loss, is_labelled)
