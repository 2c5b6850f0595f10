"""Draws have the right distributions, and only the seed decides."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_diffseg.data.augmentation import random_numbers


# An even and an odd number of values.
@pytest.mark.parametrize("shape", [(20, 20, 20, 3), (9, 9, 9, 9)])
def test_normal_is_normal(shape):
    drawn = random_numbers.normal([1, 2], shape).numpy()
    assert drawn.shape == shape
    assert scipy.stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    # Both halves come from the same random words, but are independent.
    half = drawn.size // 2
    pairs = np.abs(drawn.ravel()[: 2 * half]).reshape(2, half)
    assert abs(np.corrcoef(pairs)[0, 1]) < 0.05


def test_pairs_of_normal_numbers_are_independent():
    drawn = random_numbers.normal([3, 4], [1 << 20]).numpy().reshape(2, -1)
    radius, angle = np.hypot(*drawn), np.arctan2(*drawn)
    assert np.isfinite(drawn).all() and radius.max() < 5.4
    # Half the square of the radius is exponential, and the angle is uniform.
    assert scipy.stats.kstest(radius**2 / 2.0, "expon").pvalue > 0.01
    counts, _ = np.histogram(angle, 64, (-np.pi, np.pi))
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(radius, np.cos(angle))[0, 1]) < 0.005


def test_only_the_seed_decides():
    for draw in (random_numbers.normal, random_numbers.uniform):
        tf.random.set_seed(1)
        first = draw(tf.constant([1, 2]), [4])
        tf.random.set_seed(2)
        np.testing.assert_array_equal(draw(tf.constant([1, 2]), [4]), first)
        assert np.abs(draw(tf.constant([1, 3]), [4]) - first).min() > 0.0


def test_half_of_the_factors_are_below_one():
    factors = np.array(
        [random_numbers.log_symmetric([0, index], 0.5) for index in range(200)]
    )
    assert 2 / 3 - 1e-6 <= factors.min() < 0.7 and 1.4 < factors.max() <= 1.5 + 1e-6
    assert 70 < (factors > 1.0).sum() < 130
