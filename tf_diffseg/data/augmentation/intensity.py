"""Changes the intensities of each channel by the channel's statistics.

All functions take an image float (x, y, z, channels) and return one of that shape.
"""

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import normal, uniform

_SPACE = (0, 1, 2)


def change_gamma(image, exponent):
    """Applies a gamma curve that keeps the mean and the standard deviation.

    `exponent` is a float scalar above 0; 1 changes nothing.
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
    """Multiplies the difference of each voxel from the mean of its channel."""
    mean = tf.reduce_mean(image, axis=_SPACE)
    return image * factor + mean * (1.0 - factor)


def change_brightness(image, amount):
    """Adds `amount`, in standard deviations of a channel, to all its voxels."""
    return image + amount * _statistics(image)[1]


def add_noise(image, seed, amount):
    """Adds Gaussian noise of `amount` standard deviations of the channel.

    `seed` is a stateless seed [2].
    """
    noise = normal(seed, tf.shape(image))
    return image + noise * (amount * _statistics(image)[1])


def drop_channel(image, seed):
    """Sets a random channel to its smallest value; keeps it if it is the only one.

    `seed` is a stateless seed [2].
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
