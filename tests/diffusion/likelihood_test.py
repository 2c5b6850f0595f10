"""Likelihood terms agree with scipy, even in the tails."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats

from tf_diffseg.diffusion.likelihood import gaussian_kl, mask_log_likelihood


@pytest.mark.parametrize("mean, log_variance", [(0.7, -1.0), (-2.0, 0.5)])
def test_kl_is_its_integral(mean, log_variance):
    first = stats.norm(mean, np.exp(0.5 * log_variance))
    second = stats.norm(0.3, np.exp(0.5 * 0.2))

    def integrand(x):
        return first.pdf(x) * (first.logpdf(x) - second.logpdf(x))

    expected, _ = integrate.quad(integrand, -12.0, 12.0)

    arguments = [tf.constant(x, tf.float64) for x in (mean, log_variance, 0.3, 0.2)]
    np.testing.assert_allclose(gaussian_kl(*arguments), expected, atol=1e-9)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-11)])
def test_mask_likelihood_is_the_mass_on_the_mask_s_side_of_zero(dtype, rtol):
    z = np.concatenate([np.linspace(-300.0, 8.0, 1001), [-10.0, -9.999, -10.001]])
    sigma = dtype(0.01)
    mean = (z * sigma).astype(dtype)

    actual = mask_log_likelihood(np.ones_like(mean), mean, 2.0 * np.log(sigma))

    expected = special.log_ndtr(mean.astype(np.float64) / sigma)
    np.testing.assert_allclose(actual, expected, rtol=rtol)


def test_mask_likelihood_of_both_levels_sums_to_one():
    mean = tf.linspace(-0.05, 0.05, 11)
    log_variance = tf.math.log(1e-4)

    inside = tf.exp(mask_log_likelihood(1.0, mean, log_variance))
    outside = tf.exp(mask_log_likelihood(-1.0, mean, log_variance))

    np.testing.assert_allclose(inside + outside, np.ones(11), rtol=1e-6)
