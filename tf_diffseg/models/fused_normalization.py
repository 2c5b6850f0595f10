"""Instance normalisation by TensorFlow's fused batch normalisation.

For one example, batch normalisation is instance normalisation; several examples become
one example with more channels. The fused operation passes over the volume twice, and
three times for the gradient; single operations pass a dozen times.
"""

import tensorflow as tf


def is_used():
    """Whether the fused operation is faster on this machine.

    On GPUs it is not: XLA fuses the single operations, and cuDNN's batch normalisation
    is made for more channels and fewer voxels.
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
    channels = features.shape[-1]
    examples = tf.stack([shape[0], -1, channels])
    columns = shape[0] * channels  # one for each example and channel

    def row(values):
        values = tf.reshape(values, [-1, channels])
        return tf.reshape(tf.broadcast_to(values, [shape[0], channels]), [columns])

    # TensorFlow transposes a single example without a copy.
    voxels = tf.transpose(tf.reshape(features, examples), [1, 0, 2])
    normalized = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(voxels, tf.stack([1, -1, 1, columns])),
        scale=row(scale),
        offset=row(shift),
        # Earlier statistics, which are not used.
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    ).y
    normalized = tf.reshape(normalized, tf.shape(voxels))
    normalized = tf.reshape(tf.transpose(normalized, [1, 0, 2]), shape)
    return tf.ensure_shape(normalized, features.shape)
