"""Diffusion arithmetic in float32, and coefficients that broadcast over volumes."""

import tensorflow as tf


def as_floats(*tensors):
    """Casts tensors to the type of the diffusion arithmetic.

    That is float64 if any input is, otherwise float32: half precision cannot hold
    1 - alphas_cumprod of the last steps.

    Args:
        *tensors: tensors or arrays.

    Returns:
        List of tensors, all float32 or all float64.
    """
    converted = [tf.convert_to_tensor(tensor) for tensor in tensors]
    is_double = any(tensor.dtype == tf.float64 for tensor in converted)
    dtype = tf.float64 if is_double else tf.float32
    return [tf.cast(tensor, dtype) for tensor in converted]


def at_step(table, t_index, like):
    """Entries of a per-step table, shaped to broadcast against a volume.

    Args:
        table: float64 array of shape [num_timesteps].
        t_index: int, scalar or of shape [batch].
        like: float tensor of shape [batch, ...] and of known rank.

    Returns:
        Tensor of like's type: a scalar, or of shape [batch, 1, ..., 1].
    """
    values = tf.gather(tf.constant(table, like.dtype), t_index)
    if values.shape.rank == 0:
        return values
    return tf.reshape(values, [-1] + [1] * (like.shape.rank - 1))
