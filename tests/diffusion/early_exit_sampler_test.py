"""When sampling ends early, and its result then."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import (
    DDIMSampler,
    DDPMSampler,
    EarlyExitSampler,
    GaussianDiffusion,
    initial_noise,
)

_SHAPE = (1, 4, 3, 2, 3)


def _x_start(class_id, batch=1):
    """An encoded mask, in which all voxels are of one class."""
    encoded = np.full((batch, *_SHAPE[1:]), -1.0, np.float32)
    encoded[..., class_id] = 1.0
    return encoded


def _settles_after(num_steps, seen=None):
    """A network that predicts class 1 from step `num_steps` on, before that 0 or 2."""

    def denoise(x_t, t_index):
        if seen is not None:
            seen.append(int(t_index[0]))
        step = 4 - int(t_index[0])
        return _x_start(1 if step >= num_steps - 1 else step % 2 * 2)

    return denoise


@pytest.mark.parametrize(
    "sampler_class, settled, steps",
    [
        (DDIMSampler, 1, 2),
        (DDPMSampler, 2, 3),
        (DDIMSampler, 3, 4),
        (DDPMSampler, 4, 5),
        (DDIMSampler, 5, 5),
    ],
)
def test_ends_one_step_after_the_last_change(sampler_class, settled, steps):
    seen = []
    sampler = EarlyExitSampler(sampler_class(GaussianDiffusion()), 0.0)
    denoise = _settles_after(settled, seen)
    x_0 = sampler.sample(denoise, initial_noise([1], _SHAPE), seed=[1])
    assert seen == [4, 3, 2, 1, 0][:steps]
    np.testing.assert_array_equal(x_0, _x_start(1))
    assert int(sampler.num_steps) == steps and int(sampler.num_samples) == 1
    assert sampler.saved_steps == 5 - steps


@pytest.mark.parametrize("sampler_class", [DDIMSampler, DDPMSampler])
def test_changes_until_the_end_give_the_result_of_the_wrapped_sampler(sampler_class):
    def shrink(x_t, t_index):
        return tf.tanh(x_t * tf.cast(t_index[0] % 2 * 2 - 1, tf.float32))

    plain = sampler_class(GaussianDiffusion())
    x_T = initial_noise([1], _SHAPE)
    early = EarlyExitSampler(plain, 0.0)
    np.testing.assert_array_equal(
        early.sample(shrink, x_T, [1]), plain.sample(shrink, x_T, [1])
    )
    np.testing.assert_array_equal(
        early.trajectory(shrink, x_T, [1]), plain.trajectory(shrink, x_T, [1])
    )
    assert early.saved_steps == 0.0


def test_a_result_does_not_depend_on_an_example_that_takes_longer():
    shape = (2, *_SHAPE[1:])

    def denoise(x_t, t_index):
        # The first settles at once and would change later; the second settles late.
        first = _x_start(2) if t_index[0] < 2 else _x_start(1)
        return tf.concat([first, _settles_after(4)(x_t, t_index)], axis=0)

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)
    x_0 = sampler.sample(denoise, initial_noise([1, 2], shape))
    np.testing.assert_array_equal(x_0[:1], _x_start(1))
    assert int(sampler.num_steps) == 2 + 5 and int(sampler.num_samples) == 2
    assert sampler.saved_steps == 1.5


@pytest.mark.parametrize("max_change, steps", [(0.0, 5), (0.04, 5), (0.05, 2)])
def test_few_voxels_may_change(max_change, steps):
    def denoise(x_t, t_index):
        encoded = _x_start(1)
        encoded[0, 0, 0, 0] = np.where(np.arange(3) == t_index[0] % 2, 1.0, -1.0)
        return encoded

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), max_change)
    sampler.sample(denoise, initial_noise([1], _SHAPE))
    assert int(sampler.num_steps) == steps  # One of 24 voxels changes.


def test_a_trajectory_repeats_the_last_prediction():
    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)
    trajectory = sampler.trajectory(_settles_after(2), initial_noise([1], _SHAPE))
    expected = np.stack([_x_start(0), *[_x_start(1)] * 4])
    np.testing.assert_array_equal(trajectory, expected)


def test_counts_in_a_graph_of_unknown_shapes():
    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)

    @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3])])
    def sample(x_T):
        return sampler.sample(lambda x_t, t_index: tf.sign(x_t), x_T)

    x_T = initial_noise([1], _SHAPE)
    np.testing.assert_array_equal(sample(x_T), tf.sign(x_T))
    assert sampler.saved_steps == 3.0


def test_uses_the_x_start_of_the_wrapped_sampler():
    class Halving(DDIMSampler):
        def predict_x_start(self, model_out, x_t, t_index):
            return 0.5 * super().predict_x_start(model_out, x_t, t_index)

    inner, x_T = Halving(GaussianDiffusion()), initial_noise([1], _SHAPE)
    denoise = _settles_after(0)
    np.testing.assert_array_equal(
        EarlyExitSampler(inner, 0.0).sample(denoise, x_T), inner.sample(denoise, x_T)
    )


@pytest.mark.parametrize("max_change", [-0.1, 1.0])
def test_refuses_a_share_out_of_range(max_change):
    with pytest.raises(ValueError, match=r"max_change must be in \[0, 1\)"):
        EarlyExitSampler(DDIMSampler(GaussianDiffusion()), max_change)


@pytest.mark.parametrize("method", ["sample", "trajectory"])
def test_a_self_conditioned_network_gets_its_last_prediction(method):
    given = []

    def denoise(x_t, t_index, condition):
        given.append(condition.numpy())
        return tf.constant(_x_start(int(t_index[0]) % 3))

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)
    x_T = initial_noise([1], _SHAPE)
    getattr(sampler, method)(denoise, x_T, [1], self_condition=True)
    np.testing.assert_array_equal(given[0], np.zeros(_SHAPE))
    for t_index, condition in zip((4, 3, 2, 1), given[1:], strict=True):
        np.testing.assert_array_equal(condition, _x_start(t_index % 3))


def test_nothing_is_saved_before_the_first_sample():
    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)
    assert sampler.saved_steps == 0.0
    assert not sampler.num_steps.trainable and not sampler.num_samples.trainable


@pytest.mark.parametrize("grows", [0, 1])
@pytest.mark.parametrize("max_change, steps", [(0.49, 5), (0.51, 2)])
def test_a_change_counts_as_a_share_of_the_foreground(max_change, steps, grows):
    # Of two voxels that were ever foreground, one changes at each step.
    def denoise(x_t, t_index):
        x_start = _x_start(0)
        x_start[0, 0, 0, 0] = _x_start(1)[0, 0, 0, 0]
        if int(t_index[0]) % 2 == grows:
            x_start[0, 1, 0, 0] = _x_start(1)[0, 1, 0, 0]
        return x_start

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), max_change)
    sampler.sample(denoise, initial_noise([1], _SHAPE), seed=[1])
    assert int(sampler.num_steps) == steps


def test_a_single_voxel_of_foreground_that_goes_is_all_of_it():
    def denoise(x_t, t_index):
        x_start = _x_start(0)
        if int(t_index[0]) % 2:
            x_start[0, 0, 0, 0] = _x_start(1)[0, 0, 0, 0]
        return x_start

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.6)
    sampler.sample(denoise, initial_noise([1], _SHAPE), seed=[1])
    assert int(sampler.num_steps) == 5


def test_nothing_but_background_is_settled_at_once():
    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0)
    sampler.sample(lambda x_t, t_index: _x_start(0), initial_noise([1], _SHAPE))
    assert int(sampler.num_steps) == 2


@pytest.mark.parametrize("region", [0, 1, 2])
def test_a_change_of_any_region_counts(region):
    # Region 0 alone would be the largest with it as without.
    def denoise(x_t, t_index):
        x_start = np.full(_SHAPE, -1.0, np.float32)
        x_start[..., : region + 1] = 1.0
        if int(t_index[0]) % 2:
            x_start[..., region] = -1.0
        return x_start

    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0, "overlapping")
    sampler.sample(denoise, initial_noise([1], _SHAPE), seed=[1])
    assert int(sampler.num_steps) == 5


def test_regions_that_are_nowhere_are_settled_at_once():
    sampler = EarlyExitSampler(DDIMSampler(GaussianDiffusion()), 0.0, "overlapping")
    nowhere = np.full(_SHAPE, -1.0, np.float32)
    sampler.sample(lambda x_t, t_index: nowhere, initial_noise([1], _SHAPE))
    assert int(sampler.num_steps) == 2
