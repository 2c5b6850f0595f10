import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import DDIMSampler, GaussianDiffusion
from tf_diffseg.training.choices import TrainingStrategy
from tf_diffseg.training.noisy_mask import (
    FUNCTIONS,
    diffuse,
    make_noisy_mask,
    recycle,
    recycle_by_reverse_step,
    recycle_from_last,
    recycle_from_last_by_reverse_step,
    self_condition,
    self_condition_from_next,
)

DIFFUSION = GaussianDiffusion()
SHAPE = (5, 4, 4, 4, 3)
T_INDEX = tf.range(5)
SEED = tf.range(5) + 10
EARLIER_STEPS = {
    recycle: [1, 2, 3, 4, 4],
    recycle_from_last: [4, 4, 4, 4, 4],
    recycle_by_reverse_step: [1, 2, 3, 4, 4],
    recycle_from_last_by_reverse_step: [4, 4, 4, 4, 4],
    self_condition: [0, 1, 2, 3, 4],
    self_condition_from_next: [1, 2, 3, 4, 4],
}


def _x_start(shape=SHAPE):
    label = np.random.default_rng(0).integers(0, 3, shape[:-1])
    return 2.0 * tf.one_hot(label, 3) - 1.0


def _assert_standard_normal(noise):
    assert abs(float(tf.reduce_mean(noise))) < 0.1
    assert abs(float(tf.math.reduce_std(noise)) - 1.0) < 0.1


@pytest.mark.parametrize(
    "function", [diffuse, self_condition, self_condition_from_next]
)
def test_noises_the_ground_truth(function):
    x_start = _x_start()
    x_t = function(DIFFUSION, lambda x_t, t: x_t, x_start, T_INDEX, SEED).x_t
    _assert_standard_normal(DIFFUSION.predict_noise_from_x_start(x_t, x_start, T_INDEX))


@pytest.mark.parametrize("function", list(EARLIER_STEPS))
def test_predicts_at_the_earlier_step(function):
    x_start, seen = _x_start(), {}

    def predict_x_start(x_t, t_index):
        seen.update(x_t=x_t, t_index=t_index)
        return x_t

    function(DIFFUSION, predict_x_start, x_start, T_INDEX, SEED)
    np.testing.assert_array_equal(seen["t_index"], EARLIER_STEPS[function])
    _assert_standard_normal(
        DIFFUSION.predict_noise_from_x_start(seen["x_t"], x_start, seen["t_index"])
    )


@pytest.mark.parametrize("function", [recycle, recycle_from_last])
def test_recycling_adds_fresh_noise_to_the_prediction_alone(function):
    predicted, seen = tf.fill(SHAPE, -0.25), []
    t_index = tf.fill([5], 4)  # The last step is its own earlier step.

    def predict_x_start(x_t, t_index):
        seen.append(DIFFUSION.predict_noise_from_x_start(x_t, _x_start(), t_index))
        return predicted

    x_t = function(DIFFUSION, predict_x_start, _x_start(), t_index, SEED).x_t
    noise = DIFFUSION.predict_noise_from_x_start(x_t, predicted, t_index)
    _assert_standard_normal(noise)
    assert abs(np.corrcoef(np.ravel(seen[0]), np.ravel(noise))[0, 1]) < 0.1


def test_the_condition_of_an_earlier_step_is_predicted_from_other_noise():
    x_start, seen = _x_start(), []

    def predict_x_start(x_t, t_index):
        seen.append(DIFFUSION.predict_noise_from_x_start(x_t, x_start, t_index))
        return x_t

    x_t = self_condition_from_next(
        DIFFUSION, predict_x_start, x_start, T_INDEX, SEED
    ).x_t
    noise = DIFFUSION.predict_noise_from_x_start(x_t, x_start, T_INDEX)
    assert abs(np.corrcoef(np.ravel(seen[0]), np.ravel(noise))[0, 1]) < 0.1


def test_reverse_step_is_that_of_the_sampler():
    seen = []

    def predict_x_start(x_t, t_index):
        seen.append(x_t)
        return tf.tanh(x_t)

    x_t = recycle_by_reverse_step(
        DIFFUSION, predict_x_start, _x_start(), T_INDEX, SEED
    ).x_t
    expected = DDIMSampler(DIFFUSION).step(
        tf.tanh(seen[0]), seen[0], tf.minimum(T_INDEX + 1, 4), None
    )
    np.testing.assert_allclose(x_t[:4], expected[:4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x_t[4], seen[0][4], rtol=1e-4, atol=1e-5)


def test_reverse_step_from_last_with_the_truth_ends_at_it():
    x_start = _x_start()
    x_t = recycle_from_last_by_reverse_step(
        DIFFUSION, lambda x_t, t: x_start, x_start, tf.fill([5], 0), SEED
    ).x_t
    noise = DIFFUSION.predict_noise_from_x_start(x_t, x_start, tf.fill([5], 0))
    _assert_standard_normal(noise)


@pytest.mark.parametrize("function", [self_condition, self_condition_from_next])
def test_half_of_the_examples_are_conditioned_on_the_prediction(function):
    shape, seed = (200, 1, 1, 1, 3), tf.range(200)
    t_index = tf.fill([200], 2)
    condition = function(
        DIFFUSION, lambda x_t, t: tf.fill(shape, -0.5), _x_start(shape), t_index, seed
    ).condition
    assert set(np.unique(condition)) == {-0.5, 0.0}
    share = float(tf.reduce_mean(condition / -0.5))
    assert 0.4 < share < 0.6


def test_the_first_step_of_sampling_has_no_condition():
    shape = (200, 1, 1, 1, 3)
    condition = self_condition_from_next(
        DIFFUSION,
        lambda x_t, t: tf.ones(shape),
        _x_start(shape),
        tf.fill([200], 4),
        tf.range(200),
    ).condition
    np.testing.assert_array_equal(condition, tf.zeros(shape))


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_no_gradient_through_the_prediction(function):
    weight = tf.Variable(0.5)
    with tf.GradientTape() as tape:
        noisy_mask = function(
            DIFFUSION, lambda x_t, t: weight * x_t, _x_start(), T_INDEX, SEED
        )
        parts = [part for part in noisy_mask if part is not None]
        total = sum(map(tf.reduce_sum, parts))
    assert tape.gradient(total, weight) is None


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_noise_depends_on_the_examples_seed_alone(function):
    x_start = _x_start()

    def run(rows):
        noisy_mask = function(
            DIFFUSION,
            lambda x_t, t: tf.tanh(x_t),
            tf.gather(x_start, rows),
            tf.gather(T_INDEX, rows),
            tf.gather(SEED, rows),
        )
        return [part for part in noisy_mask if part is not None]

    for some, whole in zip(run([3, 1]), run([0, 1, 2, 3, 4]), strict=True):
        np.testing.assert_array_equal(some, tf.gather(whole, [3, 1]))


def test_every_diffusion_strategy_has_its_function():
    assert set(FUNCTIONS) == set(TrainingStrategy) - {TrainingStrategy.SUPERVISED}
    assert len(FUNCTIONS) == len(set(FUNCTIONS.values()))


@pytest.mark.parametrize("strategy", FUNCTIONS)
def test_a_condition_is_declared(strategy, monkeypatch):
    arguments = DIFFUSION, lambda x_t, t: x_t, _x_start(), T_INDEX, SEED
    noisy_mask = make_noisy_mask(strategy, *arguments)
    is_conditioned = noisy_mask.condition is not None
    other = diffuse if is_conditioned else self_condition
    monkeypatch.setitem(FUNCTIONS, strategy, other)
    returned = f"{other.__name__} returns {'no' if is_conditioned else 'a'} condition"
    declared = f"is_self_conditioned is {is_conditioned}"
    with pytest.raises(ValueError, match=f"{returned}, but {declared}"):
        make_noisy_mask(strategy, *arguments)


@pytest.mark.parametrize("strategy", FUNCTIONS)
def test_ground_truth_with_noise_is_declared(strategy):
    x_start = _x_start()
    arguments = DIFFUSION, lambda x_t, t: -x_start, x_start, T_INDEX, SEED
    x_t = make_noisy_mask(strategy, *arguments).x_t
    noise = DIFFUSION.predict_noise_from_x_start(x_t, x_start, T_INDEX)
    is_normal = abs(float(tf.math.reduce_std(noise)) - 1.0) < 0.1
    assert is_normal == strategy.noises_ground_truth
