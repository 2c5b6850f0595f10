"""Draws: their distributions, and that seeds alone decide."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_diffseg.data.augmentation import random_numbers


@pytest.mark.parametrize("shape", [(20, 20, 20, 3), (9, 9, 9, 9)])
def test_normal_is_normal(shape):
    drawn = random_numbers.normal([1, 2], shape).numpy()
    assert drawn.shape == shape
    assert scipy.stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    # The two halves come of the same uniforms, and yet are independent.
    half = drawn.size // 2
    pairs = np.abs(drawn.ravel()[: 2 * half]).reshape(2, half)
    assert abs(np.corrcoef(pairs)[0, 1]) < 0.05


def test_both_halves_of_a_normal_number_are_drawn():
    drawn = random_numbers.normal([3, 4], [1 << 20]).numpy().reshape(2, -1)
    radius, angle = np.hypot(*drawn), np.arctan2(*drawn)
    assert np.isfinite(drawn).all() and radius.max() < 5.4
    # Squared over two it is exponential; the angle is uniform, of either no more known.
    assert scipy.stats.kstest(radius**2 / 2.0, "expon").pvalue > 0.01
    counts, _ = np.histogram(angle, 64, (-np.pi, np.pi))
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(radius, np.cos(angle))[0, 1]) < 0.005


def test_of_the_seed_alone():
    for draw in (random_numbers.normal, random_numbers.uniform):
        tf.random.set_seed(1)
        first = draw(tf.constant([1, 2]), [4])
        tf.random.set_seed(2)
        np.testing.assert_array_equal(draw(tf.constant([1, 2]), [4]), first)
        assert np.abs(draw(tf.constant([1, 3]), [4]) - first).min() > 0.0


def test_factors_are_as_often_below_one_as_above():
    factors = np.array(
        [random_numbers.log_symmetric([0, index], 0.5) for index in range(200)]
    )
    assert 2 / 3 - 1e-6 <= factors.min() < 0.7 and 1.4 < factors.max() <= 1.5 + 1e-6
    assert 70 < (factors > 1.0).sum() < 130
