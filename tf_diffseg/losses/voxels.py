"""Reductions over the voxels of a batch of volumes, in float32."""

import tensorflow as tf


def as_floats(*tensors):
    """Brings tensors to float32, or to float64 where one of them is.

    Half precision has neither the range for sums over a volume nor the resolution
    for probabilities near 1.

    Args:
        *tensors: tensors or arrays.

    Returns:
        List of tensors of one type.
    """
    converted = [tf.convert_to_tensor(tensor) for tensor in tensors]
    is_double = any(tensor.dtype == tf.float64 for tensor in converted)
    dtype = tf.float64 if is_double else tf.float32
    return [tf.cast(tensor, dtype) for tensor in converted]


def spatial_axes(volume):
    """Axes between batch and channels.

    Args:
        volume: tensor of shape [batch, ..., channels] and of known rank.

    Returns:
        List of axes.
    """
    return list(range(1, volume.shape.rank - 1))
