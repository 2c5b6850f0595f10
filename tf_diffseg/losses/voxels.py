"""Reductions over the voxels of a batch of volumes, in float32."""

import tensorflow as tf


def as_floats(*tensors):
    """Casts tensors or arrays to float32, or to float64 if one of them has it.

    Half precision has neither the range for sums over a volume nor the resolution
    for probabilities near 1.
    """
    converted = [tf.convert_to_tensor(tensor) for tensor in tensors]
    is_double = any(tensor.dtype == tf.float64 for tensor in converted)
    dtype = tf.float64 if is_double else tf.float32
    return [tf.cast(tensor, dtype) for tensor in converted]


def only_labelled(volume, is_labelled):
    """Sets voxels whose ground truth is not known to zero.

    Args:
        volume: shape [batch, ..., channels].
        is_labelled: bool, shape [batch, ...]; None if all voxels are.
    """
    if is_labelled is None:
        return volume
    return tf.where(is_labelled[..., tf.newaxis], volume, tf.zeros_like(volume))


def mean_over_voxels(loss, is_labelled=None):
    """Mean of a loss over the voxels of each example that are labelled.

    Args:
        loss: shape [batch, ...], or [batch, ..., channels].
        is_labelled: bool, shape [batch, ...]; None if all voxels are.

    Returns:
        Shape [batch]; 0, with no gradient, for an example without a labelled voxel.
    """
    if is_labelled is None:
        return tf.reduce_mean(loss, list(range(1, loss.shape.rank)))
    is_labelled = tf.convert_to_tensor(is_labelled)
    axes = list(range(1, is_labelled.shape.rank))
    num_labelled = tf.math.count_nonzero(is_labelled, axes)
    num_voxels = tf.reduce_prod(tf.shape(is_labelled, tf.int64)[1:])
    share = tf.cast(num_labelled, loss.dtype) / tf.cast(num_voxels, loss.dtype)
    if loss.shape.rank > is_labelled.shape.rank:
        is_labelled = is_labelled[..., tf.newaxis]
    # If all voxels are labelled, this is exactly the mean over all.
    loss = tf.where(is_labelled, loss, tf.zeros_like(loss))
    return tf.math.divide_no_nan(mean_over_voxels(loss), share)


def spatial_axes(volume):
    """Axes between batch and channels of a tensor [batch, ..., channels]."""
    return list(range(1, volume.shape.rank - 1))
