"""Draws from a stateless seed, with the same result on every device."""

import math

import tensorflow as tf

_ALGORITHM = tf.random.Algorithm.PHILOX


def split(seed, num):
    """Makes `num` different seeds of a stateless seed [2]."""
    return tf.unstack(tf.random.split(seed, num, alg=_ALGORITHM))


def fold_in(seed, value):
    """Makes a seed [2] of a stateless seed [2] and an integer."""
    return tf.random.experimental.stateless_fold_in(seed, value, alg=_ALGORITHM)


def uniform(seed, shape=()):
    """Draws uniform float32 in [0, 1)."""
    return tf.random.stateless_uniform(shape, seed, alg=_ALGORITHM)


def symmetric(seed, shape=()):
    """Draws uniform float32 in [-1, 1)."""
    return tf.random.stateless_uniform(shape, seed, -1.0, 1.0, alg=_ALGORITHM)


def log_symmetric(seed, largest):
    """Draws a factor in [1 / (1 + largest), 1 + largest], half of the time below 1."""
    return tf.exp(math.log1p(largest) * symmetric(seed))


def normal(seed, shape):
    """Draws standard normal float32 by the method of Box and Muller (1958).

    One random word gives two numbers: 20 bits of it their distance from 0, 12 bits the
    angle. This takes about half the time of `tf.random.stateless_normal`. No number is
    beyond 5.3 standard deviations.
    """
    num = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [(num + 1) // 2], seed, None, None, tf.uint32, alg=_ALGORITHM
    )
    distance_bits = tf.cast(tf.bitwise.right_shift(words, 12), tf.float32)
    angle_bits = tf.cast(tf.bitwise.bitwise_and(words, (1 << 12) - 1), tf.float32)
    # The middle of an interval is never 0, whose logarithm is infinite.
    share = (distance_bits + 0.5) * 2.0**-20
    radius = tf.sqrt(-2.0 * tf.math.log(share))
    angle = (2.0 * math.pi / (1 << 12)) * (angle_bits + 0.5)
    both = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=0)
    return tf.reshape(both[:num], shape)


def happens(seed, probability):
    """Draws a scalar bool that is true with a probability."""
    return uniform(seed) < probability
