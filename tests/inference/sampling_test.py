"""The mean over several samples."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference import mean_over_samples

_IMAGE = np.random.default_rng(0).normal(size=(3, 2, 3, 4, 1)).astype(np.float32)
_SEED = tf.constant([5, 0, -7])


class _Sampler:
    """Gives each example the image plus a number drawn from its seed."""

    def __init__(self):
        self.seeds = []

    def __call__(self, image, seed):
        self.seeds.append(seed.numpy())
        numbers = tf.map_fn(
            lambda one: tf.random.stateless_uniform([], [one, 0]),
            seed,
            fn_output_signature=tf.float32,
        )
        return image + numbers[:, None, None, None, None]


def test_one_sample_is_the_sample():
    sampler = _Sampler()
    mean = mean_over_samples(sampler, _IMAGE, _SEED, num_samples=1)
    np.testing.assert_array_equal(sampler.seeds, [_SEED])
    np.testing.assert_array_equal(mean, _Sampler()(_IMAGE, _SEED))


def test_every_sample_and_example_has_its_own_seed():
    sampler = _Sampler()
    mean_over_samples(sampler, _IMAGE, _SEED, num_samples=6)
    seeds = np.array(sampler.seeds)
    assert seeds.shape == (6, 3)
    assert seeds.dtype == np.int32
    np.testing.assert_array_equal(seeds[0], _SEED)
    assert len(np.unique(seeds)) == 18


def test_is_the_mean():
    sampler = _Sampler()
    mean = mean_over_samples(sampler, _IMAGE, _SEED, num_samples=4)
    samples = [_Sampler()(_IMAGE, tf.constant(seed)) for seed in sampler.seeds]
    assert np.std(samples, axis=0).min() > 0.01
    np.testing.assert_allclose(mean, np.mean(samples, axis=0), atol=1e-6)


def test_more_samples_start_with_the_fewer():
    few, many = _Sampler(), _Sampler()
    mean_over_samples(few, _IMAGE, _SEED, num_samples=2)
    mean_over_samples(many, _IMAGE, _SEED, num_samples=5)
    np.testing.assert_array_equal(many.seeds[:2], few.seeds)


def test_is_the_same_whenever_and_in_whatever_batch():
    whole = mean_over_samples(_Sampler(), _IMAGE, _SEED, num_samples=3)
    tf.random.set_seed(99)
    again = mean_over_samples(_Sampler(), _IMAGE, _SEED, num_samples=3)
    np.testing.assert_array_equal(again, whole)
    last = mean_over_samples(_Sampler(), _IMAGE[2:], _SEED[2:], num_samples=3)
    np.testing.assert_array_equal(last, whole[2:])


def test_a_trajectory_keeps_its_steps():
    def trajectory(image, seed):
        return tf.stack([image, image + 2.0])

    mean = mean_over_samples(trajectory, _IMAGE, _SEED, num_samples=2)
    np.testing.assert_allclose(mean, [_IMAGE, _IMAGE + 2.0], atol=1e-6)


@pytest.mark.parametrize("num_samples", [0, -1])
def test_no_sample_is_refused(num_samples):
    message = f"num_samples must be at least 1, got {num_samples}"
    with pytest.raises(ValueError, match=message):
        mean_over_samples(_Sampler(), _IMAGE, _SEED, num_samples)
