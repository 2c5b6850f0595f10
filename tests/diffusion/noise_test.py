"""Noise depends on its seed and step, not on its place in a batch."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion.noise import (
    initial_noise,
    normal_per_example,
    uniform_per_example,
)

_SHAPE = (3, 4, 2)


def test_example_draws_the_same_in_any_batch_and_place():
    alone = normal_per_example([7], 2, (1, *_SHAPE))
    first = normal_per_example([7, 8], 2, (2, *_SHAPE))
    last = normal_per_example([5, 6, 7], 2, (3, *_SHAPE))

    np.testing.assert_array_equal(first[0], alone[0])
    np.testing.assert_array_equal(last[2], alone[0])


def test_seeds_steps_and_start_differ():
    draws = [
        normal_per_example([1], 0, (1, *_SHAPE)),
        normal_per_example([2], 0, (1, *_SHAPE)),
        normal_per_example([1], 1, (1, *_SHAPE)),
        initial_noise([1], (1, *_SHAPE)),
    ]

    for i, one in enumerate(draws):
        for other in draws[:i]:
            assert (one.numpy() != other.numpy()).all()


def test_scalar_seed_gives_each_example_its_own_noise():
    noise = normal_per_example(3, 0, (3, *_SHAPE)).numpy()
    fewer = normal_per_example(3, 0, (2, *_SHAPE)).numpy()

    assert (noise[0] != noise[1]).all()
    assert (noise[1] != noise[2]).all()
    np.testing.assert_array_equal(noise[:2], fewer)


def test_noise_is_standard_normal():
    noise = normal_per_example([0, 1], 4, (2, 64, 64, 64)).numpy()

    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.01
    assert abs(noise.var() - 1.0) < 0.01
    # The mean product of independent draws has standard error 1 / 512.
    assert abs((noise[0] * noise[1]).mean()) < 0.01


@pytest.mark.parametrize("seed, seed_type", [(3, tf.int32), ([3, 4], tf.int64)])
def test_graph_with_unknown_shape_agrees_with_eager(seed, seed_type):
    seed = tf.constant(seed, seed_type)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None])])
    def graph(like):
        return normal_per_example(seed, 1, tf.shape(like))

    expected = normal_per_example(seed, 1, (2, *_SHAPE))
    np.testing.assert_array_equal(graph(tf.zeros([2, *_SHAPE])), expected)


def test_refuses_too_few_seeds():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        normal_per_example([1], 0, (2, *_SHAPE))


def test_uniform_numbers_are_one_or_a_volume_per_example():
    seeds = [3, 4, 3]
    numbers = uniform_per_example(seeds, 1000).numpy()
    assert numbers.shape == (3,) and numbers[0] == numbers[2] != numbers[1]
    volumes = uniform_per_example(seeds, 1000, (3, 20, 10, 5)).numpy()
    assert volumes.shape == (3, 20, 10, 5)
    np.testing.assert_array_equal(volumes[0], volumes[2])
    assert volumes.min() >= 0.0 and volumes.max() < 1.0
    np.testing.assert_allclose(volumes.mean(axis=(1, 2, 3)), 0.5, atol=0.05)
