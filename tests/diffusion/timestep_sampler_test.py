"""Draws of steps: their weights, the history of losses, and unbiasedness."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion.timestep_sampler import TimestepSampler, TimestepSampling


def warm_state(sampler, loss_per_step):
    """State with a full history for every step."""
    steps = np.repeat(np.arange(sampler.num_timesteps), sampler.history_per_step)
    losses = np.asarray(loss_per_step, np.float32)[steps]
    return sampler.update(*sampler.initial_state(), tf.constant(steps), losses)


def test_uniform_sampling_ignores_losses_and_reaches_every_step_with_weight_one():
    sampler = TimestepSampler(101)
    probabilities = sampler.probabilities(*warm_state(sampler, np.arange(101)))
    np.testing.assert_allclose(probabilities, 1 / 101, rtol=1e-6)

    t_index, weights = sampler.sample([1, 2], 40 * 101, probabilities)

    assert t_index.dtype == tf.int32
    np.testing.assert_allclose(weights, 1.0, rtol=1e-6)
    counts = np.bincount(t_index, minlength=101)
    # Poisson counts of mean 40, standard deviation 6.3.
    assert counts.shape == (101,)
    assert counts.min() > 8
    assert counts.max() < 80


def test_sampling_is_uniform_until_every_step_has_losses_above_zero():
    sampler = TimestepSampler(3, "loss", history_per_step=2)
    state = sampler.initial_state()

    state = sampler.update(*state, tf.constant([0, 0, 1, 1, 2]), [9.0, 9, 1, 1, 1])
    np.testing.assert_allclose(sampler.probabilities(*state), 1 / 3, rtol=1e-6)

    state = sampler.update(*state, tf.constant([2]), [1.0])
    assert sampler.probabilities(*state)[0] > 0.8
    state = warm_state(sampler, [0.0] * 3)
    np.testing.assert_allclose(sampler.probabilities(*state), 1 / 3, rtol=1e-6)


def test_ten_losses_of_every_step_count_unless_told_otherwise():
    sampler = TimestepSampler(2, "loss")
    state = sampler.initial_state()
    for number in range(1, 12):
        state = sampler.update(*state, tf.constant([0, 1]), [3.0, 1.0])
        is_uniform = abs(sampler.probabilities(*state)[0] - 0.5) < 1e-6
        assert is_uniform == (number < 10)


def test_probabilities_are_root_mean_squares_mixed_with_uniform():
    sampler = TimestepSampler(2, "loss", history_per_step=2, uniform_probability=0.1)
    history, counts = tf.constant([[3.0, 4.0], [0.0, 5.0]]), tf.constant([2, 2])

    probabilities = sampler.probabilities(history, counts)

    magnitude = np.sqrt([12.5, 12.5])
    expected = 0.9 * magnitude / magnitude.sum() + 0.1 / 2
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    history = tf.constant([[3.0, 4.0], [0.0, 0.0]])
    probabilities = sampler.probabilities(history, counts)
    np.testing.assert_allclose(probabilities, [0.95, 0.05], rtol=1e-6)


def test_probabilities_do_not_depend_on_the_unit_of_losses():
    sampler = TimestepSampler(3, "loss")
    found = [
        sampler.probabilities(*warm_state(sampler, unit * np.array([3.0, 2.0, 1.0])))
        for unit in (1e-4, 1.0, 1e4)
    ]
    np.testing.assert_allclose(found[1], [1 / 2, 1 / 3, 1 / 6], rtol=0.01)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[1], rtol=1e-5)


def test_loss_aware_sampling_is_unbiased():
    sampler = TimestepSampler(5, TimestepSampling.LOSS)
    loss_per_step = np.float32([8.0, 4.0, 2.0, 1.0, 0.5])
    probabilities = sampler.probabilities(*warm_state(sampler, loss_per_step))

    # The exact expectation, with weight 1 / (T p).
    t_index, weights = sampler.sample([3, 4], 20_000, probabilities)
    weight_of_step = np.zeros(5)
    weight_of_step[t_index] = weights
    expectation = np.sum(probabilities * weight_of_step * loss_per_step)
    np.testing.assert_allclose(expectation, loss_per_step.mean(), rtol=1e-6)

    # The estimate from draws: steps of large loss come often, and the mean stays.
    frequency = np.bincount(t_index) / len(t_index)
    np.testing.assert_allclose(frequency, probabilities, atol=0.015)
    estimate = np.mean(weights * loss_per_step[t_index])
    np.testing.assert_allclose(estimate, loss_per_step.mean(), rtol=0.01)


def test_estimate_from_losses_varies_less_than_from_uniform_draws():
    loss_per_step = np.float32([8.0, 4.0, 2.0, 1.0, 0.5])
    variances = {}
    for sampling in TimestepSampling:
        sampler = TimestepSampler(5, sampling)
        probabilities = sampler.probabilities(*warm_state(sampler, loss_per_step))
        t_index, weights = sampler.sample([3, 4], 2_000, probabilities)
        variances[sampling] = np.var(weights * loss_per_step[t_index])

    assert variances[TimestepSampling.LOSS] < 0.01 * variances[TimestepSampling.UNIFORM]


def test_update_is_the_same_for_one_batch_and_its_examples_in_turn():
    sampler = TimestepSampler(4, "loss", history_per_step=3)
    rng = np.random.default_rng(0)
    together = in_turn = sampler.initial_state()

    for _ in range(5):
        t_index = tf.constant(rng.integers(4, size=9))
        losses = rng.random(9, np.float32)
        together = sampler.update(*together, t_index, losses)
        for i in range(9):
            in_turn = sampler.update(*in_turn, t_index[i : i + 1], losses[i : i + 1])

    np.testing.assert_array_equal(together[0], in_turn[0])
    np.testing.assert_array_equal(together[1], in_turn[1])


def test_history_keeps_only_the_newest_losses_of_a_batch():
    sampler = TimestepSampler(2, "loss", history_per_step=3)

    history, counts = sampler.update(
        *sampler.initial_state(), tf.zeros([8], tf.int32), np.arange(8.0)
    )

    np.testing.assert_array_equal(np.sort(history[0]), [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(history[1], 0.0)
    np.testing.assert_array_equal(counts, [8, 0])


def test_losses_that_are_not_counted_leave_the_history_as_it_was():
    sampler = TimestepSampler(2, "loss", history_per_step=2)
    before = warm_state(sampler, [3.0, 4.0])
    steps, losses = tf.constant([0, 0, 1, 0]), [7.0, 8.0, 9.0, 5.0]

    history, counts = sampler.update(
        *before, steps, losses, tf.constant([False, True, False, False])
    )

    np.testing.assert_array_equal(np.sort(history[0]), [3.0, 8.0])
    np.testing.assert_array_equal(history[1], [4.0, 4.0])
    np.testing.assert_array_equal(counts, [3, 2])


def test_graph_agrees_with_eager():
    sampler = TimestepSampler(5, "loss")

    def one_round(loss_history, loss_counts):
        probabilities = sampler.probabilities(loss_history, loss_counts)
        t_index, weights = sampler.sample([0, 1], 4, probabilities)
        losses = tf.cast(t_index + 1, tf.float32)
        return weights, *sampler.update(loss_history, loss_counts, t_index, losses)

    state = warm_state(sampler, [5, 4, 3, 2, 1])
    results = zip(tf.function(one_round)(*state), one_round(*state), strict=True)
    for actual, expected in results:
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_refuses_a_share_of_uniform_draws_out_of_range(share):
    with pytest.raises(ValueError, match=f"uniform_probability .* got {share}"):
        TimestepSampler(5, uniform_probability=share)


def test_all_draws_may_be_uniform():
    sampler = TimestepSampler(3, "loss", uniform_probability=1.0)
    state = warm_state(sampler, [3.0, 2.0, 1.0])
    np.testing.assert_allclose(sampler.probabilities(*state), 1 / 3, rtol=1e-6)
