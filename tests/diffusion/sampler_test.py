"""Both samplers: their result, their noise and their graphs."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion.ddim_sampler import DDIMSampler
from tf_diffseg.diffusion.ddpm_sampler import DDPMSampler
from tf_diffseg.diffusion.gaussian_diffusion import GaussianDiffusion
from tf_diffseg.diffusion.model_parameterization import ModelVariance
from tf_diffseg.diffusion.noise import initial_noise

_SHAPE = (2, 4, 3, 2, 3)
_SAMPLERS = {
    "ddim": DDIMSampler,
    "ddim_eta1": lambda diffusion, **kwargs: DDIMSampler(diffusion, 1.0, **kwargs),
    "ddpm": DDPMSampler,
}


@pytest.fixture(params=_SAMPLERS.values(), ids=_SAMPLERS)
def make_sampler(request):
    """Each sampler's constructor."""
    return request.param


@pytest.fixture
def x_start():
    """A random encoded mask."""
    label = np.random.default_rng(0).integers(_SHAPE[-1], size=_SHAPE[:-1])
    return (2.0 * np.eye(_SHAPE[-1])[label] - 1.0).astype(np.float32)


def shrink(x_t, t_index):
    """Stands for a network: its output depends on the voxel and the step."""
    scale = tf.cast(t_index + 1, x_t.dtype) / 7.0
    return tf.tanh(x_t * tf.reshape(scale, [-1, 1, 1, 1, 1]))


@pytest.mark.parametrize("num_timesteps, clip", [(2, True), (5, False), (11, True)])
def test_knowing_x_start_ends_at_it(make_sampler, x_start, num_timesteps, clip):
    sampler = make_sampler(GaussianDiffusion(num_timesteps), clip_x_start=clip)

    x_0 = sampler.sample(lambda x_t, t: x_start, initial_noise(1, _SHAPE), seed=1)

    np.testing.assert_array_equal(x_0, x_start)


def test_knowing_the_noise_ends_at_x_start(make_sampler, x_start):
    diffusion = GaussianDiffusion(model_output="noise")
    sampler = make_sampler(diffusion)

    def true_noise(x_t, t_index):
        return diffusion.predict_noise_from_x_start(x_t, x_start, t_index)

    x_0 = sampler.sample(true_noise, initial_noise(1, _SHAPE), seed=1)

    np.testing.assert_allclose(x_0, x_start, atol=1e-5)


def test_knowing_x_start_noise_levels_are_those_of_the_forward_process(
    make_sampler,
):
    diffusion = GaussianDiffusion()
    sampler = make_sampler(diffusion)
    shape = (1, 64, 64, 64, 1)
    x_start = tf.ones(shape)
    x_t = diffusion.q_sample(x_start, initial_noise(5, shape), 4)

    for t_index in range(4, 0, -1):
        noise = initial_noise(t_index, shape)
        x_t = sampler.step(x_start, x_t, t_index, noise)
        abar = diffusion.alphas_cumprod[t_index - 1]
        np.testing.assert_allclose(np.mean(x_t), np.sqrt(abar), atol=0.01)
        np.testing.assert_allclose(np.var(x_t), 1.0 - abar, rtol=0.02)


def test_ddim_with_eta_one_takes_the_step_of_ddpm():
    diffusion, t_index = GaussianDiffusion(), tf.range(5)
    model_out, x_t, noise = (
        tf.cast(initial_noise(seed, (5, *_SHAPE[1:])), tf.float64) for seed in (0, 1, 2)
    )

    ddim = DDIMSampler(diffusion, eta=1.0).step(model_out, x_t, t_index, noise)
    ddpm = DDPMSampler(diffusion).step(model_out, x_t, t_index, noise)

    np.testing.assert_allclose(ddim, ddpm, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_ddim_matches_reference_values(dtype, rtol, golden_diffusion):
    case = golden_diffusion["case"]
    model_out, x_t = (np.asarray(case[k], dtype) for k in ("x_start_pred", "x_t"))

    x_prev = DDIMSampler(GaussianDiffusion()).step(model_out, x_t, case["t_index"])

    expected = np.asarray(case["ddim_eta0_x_prev"])
    assert x_prev.dtype == dtype
    np.testing.assert_allclose(x_prev, expected, rtol=0, atol=rtol * expected.max())


@pytest.mark.parametrize("model_variance", ["fixed_small", "fixed_large", "learned"])
def test_ddpm_draws_the_variance_of_the_model(model_variance):
    diffusion = GaussianDiffusion(model_variance=model_variance)
    channels = 2 if diffusion.model_variance.is_learned else 1
    model_out = tf.fill([1, 8, channels], 0.25)
    x_t, noise = tf.zeros([1, 8, 1]), tf.ones([1, 8, 1])

    sampler = DDPMSampler(diffusion)
    drawn = sampler.step(model_out, x_t, 3, noise) - sampler.step(
        model_out, x_t, 3, tf.zeros_like(noise)
    )

    variance = diffusion.p_mean_variance(model_out, x_t, 3).variance
    np.testing.assert_allclose(drawn**2, tf.zeros_like(noise) + variance, rtol=1e-5)


def test_trajectory_ends_at_the_sample(make_sampler):
    sampler = make_sampler(GaussianDiffusion())
    x_T = initial_noise([1, 2], _SHAPE)

    trajectory = sampler.trajectory(shrink, x_T, seed=[1, 2])

    assert trajectory.shape == (5, *_SHAPE)
    expected = sampler.sample(shrink, x_T, seed=[1, 2])
    np.testing.assert_allclose(trajectory[-1], expected, atol=1e-6)
    np.testing.assert_array_equal(trajectory[0], shrink(x_T, tf.fill([2], 4)))


def test_sample_depends_on_its_own_seed_alone(make_sampler):
    sampler = make_sampler(GaussianDiffusion())

    def sample(seed):
        x_T = initial_noise(seed, (len(seed), *_SHAPE[1:]))
        return sampler.sample(shrink, x_T, seed)

    three = sample([11, 12, 13])
    np.testing.assert_array_equal(three[1], sample([12])[0])
    np.testing.assert_array_equal(three[2], sample([13, 14])[0])
    assert (three[0].numpy() != three[1].numpy()).all()


@pytest.mark.parametrize("method_name", ["sample", "trajectory"])
def test_graph_traces_the_network_once_and_agrees_with_eager(make_sampler, method_name):
    method = getattr(make_sampler(GaussianDiffusion()), method_name)
    num_traces = 0
    signature = [
        tf.TensorSpec([None, None, None, None, 3]),
        tf.TensorSpec([None], tf.int32),
    ]

    def denoise(x_t, t_index):
        nonlocal num_traces
        num_traces += 1
        return shrink(x_t, t_index)

    @tf.function(input_signature=signature)
    def graph(x_T, seed):
        return method(denoise, x_T, seed)

    seed = tf.constant([1, 2])
    x_T = initial_noise(seed, _SHAPE)
    actual = graph(x_T, seed)

    assert num_traces == 1
    np.testing.assert_allclose(actual, method(shrink, x_T, seed), rtol=1e-5, atol=1e-6)


def test_loop_keeps_static_shapes_and_gives_one_step_per_example(make_sampler):
    sampler = make_sampler(GaussianDiffusion())

    def denoise(x_t, t_index):
        assert x_t.shape == _SHAPE
        assert t_index.shape == _SHAPE[:1]
        assert t_index.dtype == tf.int32
        return tf.convert_to_tensor(shrink(x_t, t_index))

    @tf.function
    def graph():
        x_0 = sampler.sample(denoise, tf.zeros(_SHAPE), seed=1)
        assert x_0.shape == _SHAPE
        trajectory = sampler.trajectory(denoise, tf.zeros(_SHAPE), seed=1)
        assert trajectory.shape[1:] == _SHAPE

    graph()


def test_loop_keeps_static_shapes_that_the_network_loses(make_sampler):
    sampler = make_sampler(GaussianDiffusion())
    shape = (1, *_SHAPE[1:])

    def denoise(x_t, t_index):
        x_start = tf.boolean_mask(shrink(x_t, t_index), [True])
        assert x_start.shape[0] is None
        return x_start

    @tf.function
    def graph():
        assert sampler.sample(denoise, tf.zeros(shape), seed=1).shape == shape

    graph()


def test_half_precision_network_is_sampled_in_float32(make_sampler):
    sampler = make_sampler(GaussianDiffusion())
    x_T = initial_noise(1, _SHAPE)

    def half(x_t, t_index):
        return tf.cast(shrink(x_t, t_index), tf.float16)

    x_0 = sampler.sample(half, tf.cast(x_T, tf.float16), seed=1)

    assert x_0.dtype == tf.float32
    expected = sampler.sample(shrink, x_T, seed=1)
    np.testing.assert_allclose(x_0, expected, atol=2e-3)


def test_clipping_tames_predicted_noise(make_sampler):
    diffusion = GaussianDiffusion(model_output="noise")
    x_T = initial_noise(1, _SHAPE)

    clipped = make_sampler(diffusion).sample(lambda x, t: -x, x_T, 1)
    free = make_sampler(diffusion, clip_x_start=False).sample(lambda x, t: -x, x_T, 1)

    assert np.abs(clipped).max() <= 1.0
    assert np.abs(free).max() > 10.0


def test_respaced_sampler_runs_fewer_steps():
    sampler = DDIMSampler(GaussianDiffusion(num_timesteps=11).respaced(6))
    assert len(sampler.trajectory(shrink, tf.zeros(_SHAPE))) == 6


def test_refuses_to_draw_noise_without_a_seed():
    with pytest.raises(ValueError, match="noise is None, but DDPMSampler draws noise"):
        DDPMSampler(GaussianDiffusion()).step(np.ones([1, 2]), np.ones([1, 2]), 3, None)
    with pytest.raises(ValueError, match="noise is None, but DDIMSampler draws noise"):
        DDIMSampler(GaussianDiffusion(), 0.5).step(np.ones([1, 2]), np.ones([1, 2]), 3)
    with pytest.raises(ValueError, match="seed is None, but DDPMSampler draws noise"):
        DDPMSampler(GaussianDiffusion()).sample(shrink, tf.zeros(_SHAPE))


@pytest.mark.parametrize("eta", [-0.1, 1.1])
def test_refuses_eta_out_of_range(eta):
    with pytest.raises(ValueError, match=f"eta must be in .*, got {eta}"):
        DDIMSampler(GaussianDiffusion(), eta=eta)


def test_steps_with_eta_1_are_finite_despite_rounding():
    diffusion = GaussianDiffusion(2, 101, "linear", 1e-5, 0.5)
    x_t = tf.random.stateless_normal([2, 3], [0, 0], dtype=tf.float64)
    x_prev = DDIMSampler(diffusion, eta=1.0).step(0.5 * x_t, x_t, 1, x_t)
    assert np.isfinite(x_prev).all()


@pytest.mark.parametrize("sampler_class", [DDPMSampler, DDIMSampler])
def test_a_self_conditioned_network_gets_its_last_prediction(sampler_class):
    given = []

    def denoise(x_t, t_index, condition):
        given.append(condition.numpy())
        return tf.fill(x_t.shape, 0.1 * float(t_index[0]))

    sampler = sampler_class(GaussianDiffusion())
    sampler.sample(denoise, tf.zeros([1, 2, 3]), [1], self_condition=True)
    expected = [0.0, 0.4, 0.3, 0.2, 0.1]
    np.testing.assert_allclose([value.max() for value in given], expected, rtol=1e-6)


@pytest.mark.parametrize("variance", ModelVariance, ids=lambda value: value.value)
def test_a_graph_of_steps_is_traced_without_a_warning(variance, monkeypatch, caplog):
    sampler = DDPMSampler(GaussianDiffusion(model_variance=variance))

    def denoise(x_t, t_index):
        model_out = shrink(x_t, t_index)
        if not variance.is_learned:
            return model_out
        return tf.concat([model_out, model_out], axis=-1)

    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    traced = tf.function(lambda x_T: sampler.sample(denoise, x_T, seed=1))
    x_0 = traced(initial_noise(1, _SHAPE))
    assert [r.message for r in caplog.records if r.name == "tensorflow"] == []
    eager = sampler.sample(denoise, initial_noise(1, _SHAPE), seed=1)
    np.testing.assert_allclose(x_0, eager, atol=1e-5)
