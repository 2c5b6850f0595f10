"""Instance normalisation by TensorFlow's fused batch normalisation.

The batch normalisation of one example is its instance normalisation, and several are
one example of as many times more channels. Fused it passes twice over the volume, and
thrice for the gradient, where operations one by one pass a dozen times.
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
    channels = features.shape[-1]
    examples = tf.stack([shape[0], -1, channels])
    columns = shape[0] * channels  # one for each example and channel

    def row(values):
        values = tf.reshape(values, [-1, channels])
        return tf.reshape(tf.broadcast_to(values, [shape[0], channels]), [columns])

    # Of one example TensorFlow copies nothing to transpose it.
    voxels = tf.transpose(tf.reshape(features, examples), [1, 0, 2])
    normalized = tf.raw_ops.FusedBatchNormV3(
        x=tf.reshape(voxels, tf.stack([1, -1, 1, columns])),
        scale=row(scale),
        offset=row(shift),
        # Statistics of before, which are not used.
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=epsilon,
        is_training=True,
    ).y
    normalized = tf.reshape(normalized, tf.shape(voxels))
    normalized = tf.reshape(tf.transpose(normalized, [1, 0, 2]), shape)
    return tf.ensure_shape(normalized, features.shape)
