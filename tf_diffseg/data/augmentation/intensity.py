"""Changes the intensities of each channel by the channel's statistics."""

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import normal, uniform

_SPACE = (0, 1, 2)


def change_gamma(image, exponent):
    """Applies a gamma curve that keeps the mean and the standard deviation.

    Args:
        image: float (x, y, z, channels).
        exponent: float scalar above 0; 1 changes nothing.

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
    """Multiplies the difference of each voxel from the mean of its channel.

    Args:
        image: float (x, y, z, channels).
        factor: float scalar; 1 changes nothing.

    Returns:
        Image of the same shape.
    """
    mean = tf.reduce_mean(image, axis=_SPACE)
    return image * factor + mean * (1.0 - factor)


def change_brightness(image, amount):
    """Adds the same amount to all voxels of a channel.

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
    """Sets a random channel to its smallest value.

    Args:
        image: float (x, y, z, channels). A single channel is kept.
        seed: stateless seed [2].

    Returns:
        Image of the same shape.
    """
    num_channels = tf.shape(image)[-1]
    # Rounding may lift the product to the number itself.
    drawn = tf.cast(uniform(seed) * tf.cast(num_channels, tf.float32), tf.int32)
    drawn = tf.minimum(drawn, num_channels - 1)
    dropped = (tf.range(num_channels) == drawn) & (num_channels > 1)
    return tf.where(dropped, tf.reduce_min(image, axis=_SPACE), image)


def _statistics(image):
    mean = tf.reduce_mean(image, axis=_SPACE)
    variance = tf.reduce_mean(tf.square(image - mean), axis=_SPACE)
    return mean, tf.sqrt(variance)
