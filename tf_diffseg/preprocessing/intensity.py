"""Image intensities to the range a network likes, per channel."""

import enum

import tensorflow as tf

PERCENTILES = (0.5, 99.5)


class Intensity(enum.Enum):
    """How intensities are scaled.

    ZSCORE: mean 0 and standard deviation 1.
    PERCENTILE: clipped to the 0.5 and 99.5 percentiles, which go to -1 and 1.
    CT_WINDOW: clipped to a window in Hounsfield units, which goes to -1 and 1.
    """

    ZSCORE = "zscore"
    PERCENTILE = "percentile"
    CT_WINDOW = "ct_window"


def zscore(image):
    """Each channel of (x, y, z, c) to mean 0, deviation 1; 0 if constant."""
    # In float64 the sums do not depend, once rounded, on how many threads share
    # them: the converter and a server then get the same bits. And the mean of a
    # constant channel is its value, so that nothing is left to blow up.
    mean, variance = tf.nn.moments(tf.cast(image, tf.float64), axes=(0, 1, 2))
    deviation = tf.cast(tf.sqrt(variance), tf.float32)
    return tf.math.divide_no_nan(image - tf.cast(mean, tf.float32), deviation)


def percentile_range(image):
    """The 0.5 and 99.5 percentiles (c,) of (x, y, z, c), between ranks linearly."""
    channels = tf.transpose(tf.reshape(image, [-1, tf.shape(image)[-1]]))
    ranked = tf.sort(channels, axis=-1)  # (c, voxels)
    last = tf.cast(tf.shape(ranked)[-1] - 1, tf.float64)

    def value_at(percentile):
        rank = last * (percentile / 100.0)
        below = tf.cast(tf.floor(rank), tf.int32)
        above = tf.cast(tf.math.ceil(rank), tf.int32)
        part = tf.cast(rank - tf.floor(rank), tf.float32)
        low, high = ranked[:, below], ranked[:, above]
        return low + part * (high - low)

    return tuple(value_at(percentile) for percentile in PERCENTILES)


def clip_to_unit(image, low, high):
    """Clips to [low, high] and scales that to [-1, 1]; 0 where low is high."""
    centre, half_width = (low + high) / 2.0, (high - low) / 2.0
    clipped = tf.clip_by_value(image, low, high)
    return tf.math.divide_no_nan(clipped - centre, half_width)


def normalize(image, intensity, ct_window=None):
    """Scales intensities.

    Args:
        image: float32 (x, y, z, c).
        intensity: an `Intensity`.
        ct_window: (low, high) in Hounsfield units, for `Intensity.CT_WINDOW`.

    Returns:
        float32 (x, y, z, c), finite for every finite image.
    """
    if intensity is Intensity.ZSCORE:
        return zscore(image)
    if intensity is Intensity.PERCENTILE:
        return clip_to_unit(image, *percentile_range(image))
    low, high = ct_window
    return clip_to_unit(image, low, high)
