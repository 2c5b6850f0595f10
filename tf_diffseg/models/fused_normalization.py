"""Instance normalisation by TensorFlow's fused batch normalisation.

The batch normalisation of a batch of one example is its instance normalisation. Fused
it passes twice over the volume, and thrice for the gradient, where operations one by
one pass a dozen times.
"""

import tensorflow as tf


def is_used():
    """Whether it is the faster way here.

    On GPUs XLA fuses the operations one by one, and cuDNN's batch normalisation is
    made for more channels and fewer voxels.
    """
    return not tf.config.list_physical_devices("GPU")


def normalize(features, scale, shift, epsilon):
    """Normalises each example and channel over all voxels.

    Args:
        features: [batch, x, y, z, channels], in any precision.
        scale: float32, broadcasts to [batch, 1, 1, 1, channels].
        shift: float32, broadcasts to [batch, 1, 1, 1, channels].
        epsilon: added to the variance.

    Returns:
        Features of the same shape and dtype.
    """
    shape = tf.shape(features)
    batch, channels = features.shape[0], features.shape[-1]

    def rows(values):  # of each example
        return tf.broadcast_to(tf.reshape(values, [-1, channels]), [shape[0], channels])

    def normalized(example):
        voxels, scale, shift = example
        return tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(voxels, [1, -1, 1, channels]),
            scale=scale,
            offset=shift,
            # Statistics of before, which are not used.
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=epsilon,
            is_training=True,
        ).y

    examples = (features, rows(scale), rows(shift))
    if batch is None:
        result = tf.map_fn(normalized, examples, fn_output_signature=features.dtype)
    else:
        parts = zip(*(tf.unstack(part, batch) for part in examples), strict=True)
        result = tf.concat([normalized(part) for part in parts], axis=0)
    return tf.ensure_shape(tf.reshape(result, shape), features.shape)
