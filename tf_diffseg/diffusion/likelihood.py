"""Terms of the variational lower bound, per element and in nats."""

import math

import tensorflow as tf


def gaussian_kl(mean_1, log_variance_1, mean_2, log_variance_2):
    """KL divergence of two Gaussians, element by element.

    Args:
        mean_1: mean of the first Gaussian.
        log_variance_1: its log variance; all arguments broadcast.
        mean_2: mean of the second Gaussian.
        log_variance_2: its log variance.

    Returns:
        KL(first || second) in nats, of the broadcast shape.
    """
    log_ratio = log_variance_1 - log_variance_2
    squared_distance = tf.square(mean_1 - mean_2) * tf.exp(-log_variance_2)
    return 0.5 * (tf.math.expm1(log_ratio) - log_ratio + squared_distance)


def _log_normal_cdf(z):
    """Log of the standard normal's distribution function, without underflow."""
    # Near 1, log1p of the difference from 1 keeps all digits.
    upper = tf.math.log1p(-0.5 * tf.math.erfc(tf.maximum(z, 0.0) / math.sqrt(2.0)))
    # Mills' ratio for z at which erfc underflows, in float32 below -14.
    threshold = tf.constant(-30.0 if z.dtype == tf.float64 else -10.0, z.dtype)
    near = tf.clip_by_value(z, threshold, 0.0)
    log_near = tf.math.log(0.5 * tf.math.erfc(-near / math.sqrt(2.0)))
    far = tf.minimum(z, threshold)
    u = 1.0 / tf.square(far)
    correction = tf.math.log1p(u * (-1.0 + u * (3.0 + u * (-15.0 + 105.0 * u))))
    log_far = (
        -0.5 * tf.square(far)
        - tf.math.log(-far)
        - 0.5 * math.log(2.0 * math.pi)
        + correction
    )
    return tf.where(z > 0.0, upper, tf.where(z < threshold, log_far, log_near))


def mask_log_likelihood(x_start, mean, log_variance):
    """Log probability of a mask under a Gaussian that is read as two levels.

    The decoder of Ho et al. 2020 integrates the Gaussian over the bin of a pixel's
    value. A mask has only the values -1 and 1, so there are two bins, which meet at 0.

    Args:
        x_start: mask with values -1 and 1.
        mean: the Gaussian's mean, same shape.
        log_variance: its log variance, broadcasting.

    Returns:
        log p(x_start) in nats, element by element.
    """
    return _log_normal_cdf(x_start * mean * tf.exp(-0.5 * log_variance))
