"""The diffusion's formulas: reference values, identities, types and shapes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion.beta_schedule import BetaSchedule
from tf_diffseg.diffusion.gaussian_diffusion import GaussianDiffusion
from tf_diffseg.diffusion.likelihood import mask_log_likelihood

_TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def case(request, golden_diffusion):
    """The reference case with its arrays in one floating-point type."""
    return {
        name: np.asarray(value, np.int32 if name == "t_index" else request.param)
        for name, value in golden_diffusion["case"].items()
        if isinstance(value, list)
    }


def assert_matches(actual, expected):
    """Holds `actual` to the type's tolerance, relative to the largest value."""
    assert actual.dtype == expected.dtype
    tolerance = _TOLERANCE[expected.dtype.type] * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tolerance)


def random_volumes(*shape, count=2, seed=0):
    """Draws `count` float32 volumes."""
    draws = np.random.default_rng(seed).standard_normal((count, *shape))
    return draws.astype(np.float32)


@pytest.mark.parametrize("num_timesteps", [5, 11, 101, 1001])
@pytest.mark.parametrize("schedule", list(BetaSchedule))
def test_tables_match_reference_values(schedule, num_timesteps, golden_diffusion):
    key = f"{schedule.value}_1001_to_{num_timesteps}"
    diffusion = GaussianDiffusion(num_timesteps, beta_schedule=schedule)

    for name, expected in golden_diffusion["schedules"][key].items():
        if name == "alphas_cumprod_first_mid_last":  # The file leaves out long tables.
            actual = diffusion.alphas_cumprod[[0, num_timesteps // 2, -1]]
        else:
            actual = getattr(diffusion, name)
        assert actual.dtype == np.float64
        np.testing.assert_allclose(actual, expected, rtol=1e-12, err_msg=name)


def test_formulas_match_reference_values(case):
    diffusion, t_index = GaussianDiffusion(), case["t_index"]
    model_out, x_t = case["x_start_pred"], case["x_t"]
    noise_diffusion = GaussianDiffusion(model_output="noise")

    model = diffusion.p_mean_variance(model_out, x_t, t_index)
    noise = diffusion.predict_noise_from_x_start(x_t, model_out, t_index)
    x_start = noise_diffusion.predict_x_start(case["logits"], x_t, t_index)

    assert_matches(diffusion.q_sample(case["x_start"], case["noise"], t_index), x_t)
    assert_matches(model.mean, case["posterior_mean"])
    assert_matches(model.log_variance, case["log_variance"])
    assert_matches(model.variance, np.exp(case["log_variance"]))
    assert_matches(noise, case["noise_pred_from_x_start"])
    assert_matches(x_start, case["x_start_from_model_out_as_noise"])


def test_variational_lower_bound_matches_reference_values(case):
    bound = GaussianDiffusion().variational_lower_bound(
        case["x_start_pred"], case["x_start"], case["x_t"], case["t_index"]
    )
    expected = case["vlb_bits_per_dim"]
    assert bound.dtype == expected.dtype
    np.testing.assert_allclose(bound, expected, rtol=_TOLERANCE[expected.dtype.type])


def test_forward_process_has_alphas_cumprod_and_keeps_unit_variance():
    diffusion = GaussianDiffusion()
    one, zero = np.ones([5, 1]), np.zeros([5, 1])

    signal = np.ravel(diffusion.q_sample(one, zero, np.arange(5)))
    sigma = np.ravel(diffusion.q_sample(zero, one, np.arange(5)))

    np.testing.assert_allclose(signal**2, diffusion.alphas_cumprod, rtol=1e-12)
    np.testing.assert_allclose(signal**2 + sigma**2, 1.0, rtol=1e-12)


def test_predicting_noise_and_x_start_invert_each_other():
    diffusion = GaussianDiffusion()
    x_start, noise = random_volumes(5, 2, 2, 2, 3).astype(np.float64)
    t_index = np.arange(5)

    x_t = diffusion.q_sample(x_start, noise, t_index)

    np.testing.assert_allclose(
        diffusion.predict_x_start_from_noise(x_t, noise, t_index), x_start, atol=1e-12
    )
    np.testing.assert_allclose(
        diffusion.predict_noise_from_x_start(x_t, x_start, t_index), noise, atol=1e-12
    )


def test_posterior_of_first_step_is_x_start_without_variance():
    x_start, x_t = random_volumes(1, 4, 4, 4, 2)

    posterior = GaussianDiffusion().q_posterior_mean_variance(x_start, x_t, 0)

    np.testing.assert_array_equal(posterior.mean, x_start)
    assert posterior.variance == 0.0
    assert np.isfinite(posterior.log_variance)


@pytest.mark.parametrize("trailing", [(), (2, 3), (2, 2, 2, 3)])
def test_steps_of_a_batch_broadcast_over_any_trailing_axes(trailing):
    diffusion = GaussianDiffusion()
    x_start, noise = random_volumes(2, *trailing)

    together = diffusion.q_sample(x_start, noise, np.array([1, 4]))

    np.testing.assert_array_equal(together[0], diffusion.q_sample(x_start, noise, 1)[0])
    np.testing.assert_array_equal(together[1], diffusion.q_sample(x_start, noise, 4)[1])


@pytest.mark.parametrize("half", [tf.float16, tf.bfloat16])
def test_half_precision_inputs_are_computed_in_float32(half):
    diffusion = GaussianDiffusion()
    x_start, noise = (tf.cast(x, half) for x in random_volumes(1, 4, 4, 4, 2))

    x_t = diffusion.q_sample(x_start, noise, 3)
    model = diffusion.p_mean_variance(x_start, x_t, 3)

    assert x_t.dtype == tf.float32
    expected = diffusion.q_sample(
        tf.cast(x_start, tf.float32), tf.cast(noise, tf.float32), 3
    )
    np.testing.assert_array_equal(x_t, expected)
    assert model.mean.dtype == model.variance.dtype == tf.float32


def test_large_variance_is_beta_and_at_the_first_step_the_smallest_posterior():
    diffusion = GaussianDiffusion(model_variance="fixed_large")
    x_t = np.zeros([5, 3])

    model = diffusion.p_mean_variance(x_t, x_t, np.arange(5))

    expected = np.append(diffusion.posterior_variance[1], diffusion.betas[1:])
    np.testing.assert_allclose(np.ravel(model.variance), expected, rtol=1e-12)
    np.testing.assert_allclose(
        np.ravel(model.log_variance), np.log(expected), rtol=1e-12
    )


@pytest.mark.parametrize(
    "model_output, model_variance", [("x_start", "learned"), ("noise", "learned_range")]
)
def test_learned_variance_channels_do_not_touch_the_mean(model_output, model_variance):
    x_t, prediction, variance = random_volumes(2, 2, 2, 2, 3, count=3)
    t_index = np.array([1, 3])
    fixed = GaussianDiffusion(model_output=model_output)
    learned = GaussianDiffusion(
        model_output=model_output, model_variance=model_variance
    )

    model_out = np.concatenate([prediction, variance], axis=-1)
    model = learned.p_mean_variance(model_out, x_t, t_index)

    expected = fixed.p_mean_variance(prediction, x_t, t_index)
    np.testing.assert_array_equal(model.mean, expected.mean)
    assert model.log_variance.shape == x_t.shape
    np.testing.assert_allclose(model.variance, np.exp(model.log_variance), rtol=1e-6)
    if model_variance == "learned":
        np.testing.assert_array_equal(model.log_variance, variance)


def test_learned_range_interpolates_between_the_fixed_variances():
    x_t = np.zeros([5, 1])
    diffusion = GaussianDiffusion(model_variance="learned_range")
    smallest = diffusion.posterior_log_variance_clipped
    largest = np.log(diffusion.betas)

    for value, expected in [
        (-1.0, smallest),
        (0.0, (smallest + largest) / 2),
        (1.0, largest),
    ]:
        model_out = np.concatenate([x_t, np.full_like(x_t, value)], axis=-1)
        model = diffusion.p_mean_variance(model_out, x_t, np.arange(5))
        np.testing.assert_allclose(np.ravel(model.log_variance), expected, rtol=1e-12)


def test_clipping_keeps_x_start_in_the_range_of_masks():
    diffusion = GaussianDiffusion(model_output="noise")
    x_t, noise = random_volumes(1, 4, 4, 4, 2)

    free = diffusion.predict_x_start(noise, x_t, 4)
    clipped = diffusion.predict_x_start(noise, x_t, 4, clip=True)

    assert np.abs(free).max() > 100.0
    np.testing.assert_array_equal(clipped, np.clip(free, -1.0, 1.0))


def test_bound_is_least_for_the_true_x_start():
    diffusion, t_index = GaussianDiffusion(), np.arange(5)
    draws, noise = random_volumes(5, 4, 4, 4, 2)
    x_start = np.sign(draws)
    x_t = diffusion.q_sample(x_start, noise, t_index)

    best = diffusion.variational_lower_bound(x_start, x_start, x_t, t_index)
    worse = diffusion.variational_lower_bound(0.9 * x_start, x_start, x_t, t_index)
    worst = diffusion.variational_lower_bound(-x_start, x_start, x_t, t_index)

    assert best.shape == (5,)
    np.testing.assert_allclose(best, 0.0, atol=1e-6)
    assert (worst.numpy() > worse.numpy()).all()
    assert np.isfinite(worst).all()


def test_bound_of_a_wrong_mean_is_its_squared_distance_in_bits():
    diffusion = GaussianDiffusion()
    x_start, wrong, x_t = np.random.default_rng(0).normal(size=(3, 2, 4, 3, 2, 1))
    t_index = np.array([2, 3])

    bound = diffusion.variational_lower_bound(wrong, x_start, x_t, t_index)

    means = [
        diffusion.q_posterior_mean_variance(x, x_t, t_index) for x in (x_start, wrong)
    ]
    distance = np.mean((means[0].mean - means[1].mean) ** 2, axis=(1, 2, 3, 4))
    variance = diffusion.posterior_variance[t_index]
    np.testing.assert_allclose(bound, distance / (2 * variance) / np.log(2), rtol=1e-6)


def test_bound_of_the_first_step_is_the_likelihood_of_the_mask():
    diffusion = GaussianDiffusion()
    x_start = np.where(
        np.random.default_rng(0).random((2, 4, 3, 2, 1)) < 0.5, -1.0, 1.0
    )
    wrong, x_t = 0.9 * x_start, 0.95 * x_start

    bound = diffusion.variational_lower_bound(wrong, x_start, x_t, np.array([0, 1]))

    model = diffusion.p_mean_variance(wrong, x_t, np.array([0, 0]))
    likelihood = mask_log_likelihood(x_start, model.mean, model.log_variance)
    expected = -np.mean(likelihood, axis=(1, 2, 3, 4)) / np.log(2)
    np.testing.assert_allclose(bound[0], expected[0], rtol=1e-9)
    assert abs(bound[1] - expected[1]) > 1e-3


def test_bound_of_learned_variance_is_least_for_the_posterior_variance():
    diffusion = GaussianDiffusion(model_variance="learned")
    draws, noise = random_volumes(1, 4, 4, 4, 2)
    x_start = np.sign(draws)
    x_t = diffusion.q_sample(x_start, noise, 3)
    exact = diffusion.posterior_log_variance_clipped[3]

    def bound(log_variance):
        variance = np.full_like(x_start, log_variance)
        model_out = np.concatenate([x_start, variance], axis=-1)
        return diffusion.variational_lower_bound(model_out, x_start, x_t, 3)

    np.testing.assert_allclose(bound(exact), 0.0, atol=1e-6)
    assert bound(exact - 0.5) > 0.01
    assert bound(exact + 0.5) > 0.01


def test_bound_has_finite_gradients_at_every_step():
    diffusion = GaussianDiffusion()
    draws, noise = random_volumes(5, 2, 2, 2, 2)
    x_start = tf.sign(draws)
    t_index = tf.range(5)
    x_t = diffusion.q_sample(x_start, noise, t_index)

    with tf.GradientTape() as tape:
        model_out = -x_start
        tape.watch(model_out)
        bound = diffusion.variational_lower_bound(model_out, x_start, x_t, t_index)
    gradient = tape.gradient(bound, model_out).numpy()

    assert np.isfinite(gradient).all()
    assert (np.abs(gradient) > 0.0).all()


def test_time_runs_to_one():
    time = GaussianDiffusion(num_timesteps=5).time(np.arange(5))

    assert time.dtype == tf.float32
    np.testing.assert_array_equal(time, np.float32([0.2, 0.4, 0.6, 0.8, 1.0]))


def test_respaced_diffusion_keeps_noise_levels_and_the_times_of_training():
    diffusion = GaussianDiffusion(num_timesteps=101, beta_schedule="cosine")

    respaced = diffusion.respaced(11)

    t_index = np.arange(11)
    kept = np.arange(0, 101, 10)
    np.testing.assert_array_equal(respaced.kept_steps, kept)
    np.testing.assert_array_equal(
        respaced.alphas_cumprod, diffusion.alphas_cumprod[kept]
    )
    np.testing.assert_array_equal(respaced.time(t_index), diffusion.time(kept))
    direct = GaussianDiffusion(num_timesteps=11, beta_schedule="cosine")
    np.testing.assert_allclose(respaced.betas, direct.betas, rtol=1e-12)
    np.testing.assert_allclose(
        respaced.posterior_variance, direct.posterior_variance, rtol=1e-12
    )


def test_respacing_twice_still_remembers_the_times_of_training():
    diffusion = GaussianDiffusion(num_timesteps=101)

    twice = diffusion.respaced(51).respaced(6)

    np.testing.assert_array_equal(twice.kept_steps, diffusion.respaced(6).kept_steps)
    np.testing.assert_array_equal(
        twice.time(np.arange(6)), diffusion.time(np.arange(0, 101, 20))
    )
    assert diffusion.num_timesteps == 101
    assert twice.num_timesteps == 6


def test_respaced_to_more_steps_it_has_the_noise_levels_of_the_schedule():
    diffusion = GaussianDiffusion(num_timesteps=5)

    respaced = diffusion.respaced(9)

    direct = GaussianDiffusion(num_timesteps=9)
    np.testing.assert_array_equal(respaced.alphas_cumprod, direct.alphas_cumprod)
    np.testing.assert_array_equal(respaced.betas, direct.betas)
    # Every other step is one of training, and has its time; the others lie between.
    np.testing.assert_array_equal(respaced.kept_steps, np.arange(9) / 2)
    np.testing.assert_array_equal(
        respaced.time(np.arange(9))[::2], diffusion.time(np.arange(5))
    )
    np.testing.assert_allclose(respaced.time(1), 1.5 / 5, rtol=1e-6)
    np.testing.assert_array_equal(respaced.respaced(9).betas, respaced.betas)


def test_respaced_to_fewer_steps_that_do_not_divide_it_takes_those_of_the_schedule():
    diffusion = GaussianDiffusion(num_timesteps=11)

    respaced = diffusion.respaced(5)

    direct = GaussianDiffusion(num_timesteps=5)
    np.testing.assert_array_equal(respaced.alphas_cumprod, direct.alphas_cumprod)
    np.testing.assert_array_equal(respaced.kept_steps, [0.0, 2.5, 5.0, 7.5, 10.0])
    np.testing.assert_allclose(respaced.time(1), 3.5 / 11, rtol=1e-6)


def test_a_diffusion_is_made_of_its_config_or_of_nothing():
    diffusion = GaussianDiffusion(num_timesteps=11, beta_schedule="cosine")
    assert GaussianDiffusion.get(diffusion) is diffusion
    assert GaussianDiffusion.get(None).get_config() == GaussianDiffusion().get_config()
    config = diffusion.get_config()
    assert GaussianDiffusion.get(config).get_config() == config
    assert not diffusion.is_respaced and diffusion.respaced(6).is_respaced
    with pytest.raises(ValueError, match="must be a GaussianDiffusion or None, got 5"):
        GaussianDiffusion.get(5)
    with pytest.raises(ValueError, match="diffusion has no option steps"):
        GaussianDiffusion.get({"steps": 5})


def test_a_network_may_be_sampled_with_its_own_diffusion_or_a_respaced_one():
    trained = GaussianDiffusion(num_timesteps=11)
    same = GaussianDiffusion(num_timesteps=11)
    for sampled in (trained, same, trained.respaced(6), same.respaced(6).respaced(3)):
        assert sampled.is_respaced_from(trained)
    for other in (
        GaussianDiffusion(num_timesteps=6),
        GaussianDiffusion(num_timesteps=11, beta_schedule="cosine"),
        GaussianDiffusion(num_timesteps=21).respaced(11),
    ):
        assert not other.is_respaced_from(trained)


def test_refuses_a_number_of_steps_that_does_not_divide():
    with pytest.raises(ValueError, match="num_timesteps=4 .* 1001 steps .* 3 and 5"):
        GaussianDiffusion(num_timesteps=4)
    with pytest.raises(ValueError, match="num_timesteps=4 .* 5 steps .* 3 and 5"):
        GaussianDiffusion(num_timesteps=5).respaced(4)
    with pytest.raises(ValueError, match="num_timesteps=7 does not evenly divide"):
        GaussianDiffusion(num_timesteps=5).respaced(7)


def test_refuses_a_wrong_number_of_channels():
    x_t = np.zeros([1, 4, 4, 5, 3], np.float32)
    diffusion = GaussianDiffusion(model_variance="learned")

    with pytest.raises(
        ValueError, match="3 channels, expected 6 .* with 3 and learned"
    ):
        diffusion.p_mean_variance(x_t, x_t, 0)


def test_graph_with_unknown_sizes_agrees_with_eager():
    diffusion = GaussianDiffusion(model_variance="learned_range")
    signature = [
        tf.TensorSpec([None, None, None, None, 6]),
        tf.TensorSpec([None, None, None, None, 3]),
        tf.TensorSpec([None], tf.int32),
    ]

    def every_formula(model_out, x_t, t_index):
        return (
            *diffusion.p_mean_variance(model_out, x_t, t_index),
            diffusion.variational_lower_bound(model_out, tf.sign(x_t), x_t, t_index),
            diffusion.time(t_index),
        )

    (model_out,) = random_volumes(2, 2, 3, 4, 6, count=1)
    (x_t,) = random_volumes(2, 2, 3, 4, 3, count=1)
    arguments = (model_out, x_t, np.array([0, 3], np.int32))

    graph = tf.function(every_formula, input_signature=signature)
    results = zip(graph(*arguments), every_formula(*arguments), strict=True)
    for actual, expected in results:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
