import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import GaussianDiffusion
from tf_diffseg.training.noisy_mask import TrainingStrategy, diffuse, recycle

DIFFUSION = GaussianDiffusion()
SHAPE = (5, 4, 4, 4, 3)
T_INDEX = tf.range(5)
SEED = tf.range(5) + 10


def _x_start():
    label = np.random.default_rng(0).integers(0, 3, SHAPE[:-1])
    return 2.0 * tf.one_hot(label, 3) - 1.0


def test_diffusion_noises_the_ground_truth():
    x_start = _x_start()
    x_t = diffuse(DIFFUSION, None, x_start, T_INDEX, SEED)
    noise = DIFFUSION.predict_noise_from_x_start(x_t, x_start, T_INDEX)
    assert abs(float(tf.reduce_mean(noise))) < 0.1
    assert abs(float(tf.math.reduce_std(noise)) - 1.0) < 0.1


def test_recycling_noises_the_prediction_alone():
    x_start, predicted = _x_start(), tf.fill(SHAPE, -0.25)
    x_t = recycle(DIFFUSION, lambda x_t, t: predicted, x_start, T_INDEX, SEED)
    noise = DIFFUSION.predict_noise_from_x_start(x_t, predicted, T_INDEX)
    assert abs(float(tf.reduce_mean(noise))) < 0.1
    assert abs(float(tf.math.reduce_std(noise)) - 1.0) < 0.1


def test_recycling_predicts_at_the_step_before_in_the_reverse_process():
    x_start, seen = _x_start(), {}

    def predict_x_start(x_t, t_index):
        seen.update(x_t=x_t, t_index=t_index)
        return x_t

    recycle(DIFFUSION, predict_x_start, x_start, T_INDEX, SEED)
    np.testing.assert_array_equal(seen["t_index"], [1, 2, 3, 4, 4])
    noise = DIFFUSION.predict_noise_from_x_start(seen["x_t"], x_start, seen["t_index"])
    assert abs(float(tf.math.reduce_std(noise)) - 1.0) < 0.1


def test_recycling_draws_fresh_noise():
    x_start = tf.zeros(SHAPE)
    t_index = tf.fill([5], 4)  # The last step is its own earlier step.
    seen = []

    def predict_x_start(x_t, t_index):
        seen.append(x_t)
        return tf.zeros_like(x_t)

    x_t = recycle(DIFFUSION, predict_x_start, x_start, t_index, SEED)
    correlation = np.corrcoef(np.ravel(seen[0]), np.ravel(x_t))[0, 1]
    assert abs(correlation) < 0.1


def test_no_gradient_through_the_recycled_prediction():
    weight = tf.Variable(0.5)
    with tf.GradientTape() as tape:
        x_t = recycle(DIFFUSION, lambda x_t, t: weight * x_t, _x_start(), T_INDEX, SEED)
        total = tf.reduce_sum(x_t)
    assert tape.gradient(total, weight) is None


@pytest.mark.parametrize("noisy_mask", [diffuse, recycle])
def test_noise_depends_on_the_examples_seed_alone(noisy_mask):
    x_start = _x_start()

    def run(rows):
        return noisy_mask(
            DIFFUSION,
            lambda x_t, t: tf.tanh(x_t),
            tf.gather(x_start, rows),
            tf.gather(T_INDEX, rows),
            tf.gather(SEED, rows),
        )

    whole = run([0, 1, 2, 3, 4])
    np.testing.assert_array_equal(run([3, 1]), tf.gather(whole, [3, 1]))


def test_every_diffusion_strategy_has_its_function():
    functions = {strategy.value: strategy.noisy_mask for strategy in TrainingStrategy}
    assert functions == {"supervised": None, "diffusion": diffuse, "recycling": recycle}
