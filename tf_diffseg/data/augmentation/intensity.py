"""Changes of intensity, each channel by its own statistics."""

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import normal, uniform

_SPACE = (0, 1, 2)


def change_gamma(image, exponent):
    """Bends the intensity scale; mean and standard deviation stay.

    Args:
        image: float (x, y, z, channels).
        exponent: float scalar, above 0; nothing changes at 1.

    Returns:
        Image of the same shape.
    """
    lowest = tf.reduce_min(image, axis=_SPACE)
    extent = tf.reduce_max(image, axis=_SPACE) - lowest
    scaled = tf.math.divide_no_nan(image - lowest, extent)
    # Twice as fast as tf.pow on a CPU; the logarithm of 0 gives 0 again.
    bent = tf.exp(exponent * tf.math.log(scaled))
    mean, deviation = _statistics(image)
    bent_mean, bent_deviation = _statistics(bent)
    return (bent - bent_mean) * tf.math.divide_no_nan(deviation, bent_deviation) + mean


def change_contrast(image, factor):
    """Multiplies the distance of each voxel from the channel's mean.

    Args:
        image: float (x, y, z, channels).
        factor: float scalar; nothing changes at 1.

    Returns:
        Image of the same shape.
    """
    mean = tf.reduce_mean(image, axis=_SPACE)
    return image * factor + mean * (1.0 - factor)


def change_brightness(image, amount):
    """Adds to all voxels.

    Args:
        image: float (x, y, z, channels).
        amount: float scalar, in standard deviations of the channel.

    Returns:
        Image of the same shape.
    """
    return image + amount * _statistics(image)[1]


def add_noise(image, seed, amount):
    """Adds Gaussian noise.

    Args:
        image: float (x, y, z, channels).
        seed: stateless seed [2].
        amount: float scalar, in standard deviations of the channel.

    Returns:
        Image of the same shape.
    """
    noise = normal(seed, tf.shape(image))
    return image + noise * (amount * _statistics(image)[1])


def drop_channel(image, seed):
    """Sets one channel, drawn at random, to its smallest value.

    Args:
        image: float (x, y, z, channels); an only channel is kept.
        seed: stateless seed [2].

    Returns:
        Image of the same shape.
    """
    num_channels = tf.shape(image)[-1]
    # The product may round up to the number itself.
    drawn = tf.cast(uniform(seed) * tf.cast(num_channels, tf.float32), tf.int32)
    drawn = tf.minimum(drawn, num_channels - 1)
    dropped = (tf.range(num_channels) == drawn) & (num_channels > 1)
    return tf.where(dropped, tf.reduce_min(image, axis=_SPACE), image)


def _statistics(image):
    mean = tf.reduce_mean(image, axis=_SPACE)
    variance = tf.reduce_mean(tf.square(image - mean), axis=_SPACE)
    return mean, tf.sqrt(variance)
