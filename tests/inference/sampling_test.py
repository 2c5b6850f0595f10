"""Seeds of several samples."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.inference.sampling import sample_seeds


@pytest.mark.parametrize("seed", [5, 0, -7])
def test_one_sample_has_the_seed_itself(seed):
    np.testing.assert_array_equal(sample_seeds(seed, 1), [seed])


def test_every_sample_has_its_own_seed():
    seeds = np.stack([sample_seeds(seed, 6) for seed in (5, 0, -7)])
    assert seeds.shape == (3, 6)
    assert seeds.dtype == np.int32
    assert len(np.unique(seeds)) == 18


def test_more_samples_start_with_the_fewer():
    np.testing.assert_array_equal(sample_seeds(3, 5)[:2], sample_seeds(3, 2))


def test_are_the_same_whenever():
    seeds = sample_seeds(3, 4)
    tf.random.set_seed(99)
    np.testing.assert_array_equal(sample_seeds(3, 4), seeds)


@pytest.mark.parametrize("num_samples", [0, -1])
def test_no_sample_is_refused(num_samples):
    message = f"num_samples must be at least 1, got {num_samples}"
    with pytest.raises(ValueError, match=message):
        sample_seeds(0, num_samples)
