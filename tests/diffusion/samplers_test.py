"""Samplers by name, with options, and back."""

import pytest

from tf_diffseg.diffusion import DDIMSampler, DDPMSampler, GaussianDiffusion
from tf_diffseg.diffusion.samplers import get_sampler, identifier_of

_DIFFUSION = GaussianDiffusion(num_timesteps=5)


@pytest.mark.parametrize(
    "identifier, kind, num_timesteps, options",
    [
        ("ddim:eta=0.0", DDIMSampler, 5, {"eta": 0.0}),
        ("ddpm", DDPMSampler, 5, {}),
        ("ddim:eta=0.5", DDIMSampler, 5, {"eta": 0.5}),
        ("ddim:eta=0.0,num_timesteps=3", DDIMSampler, 3, {}),
        ("ddpm:clip_x_start=False", DDPMSampler, 5, {"clip_x_start": False}),
        ("ddpm:num_timesteps=2", DDPMSampler, 2, {}),
    ],
)
def test_a_name_makes_a_sampler_that_gives_the_name_back(
    identifier, kind, num_timesteps, options
):
    sampler = get_sampler(identifier, _DIFFUSION)
    assert type(sampler) is kind
    assert sampler.diffusion.num_timesteps == num_timesteps
    for name, value in options.items():
        assert getattr(sampler, name) == value
    assert identifier_of(sampler) == identifier
    assert get_sampler(sampler, _DIFFUSION) is sampler


def test_options_beside_a_name_come_before_those_in_it():
    sampler = get_sampler("ddim:eta=0.5,num_timesteps=3", _DIFFUSION, eta=0.25)
    assert identifier_of(sampler) == "ddim:eta=0.25,num_timesteps=3"


@pytest.mark.parametrize(
    "identifier, options, message",
    [
        ("euler", {}, "sampler must be one of ddim, ddpm, got 'euler'"),
        ("ddpm:eta=0.5", {}, "sampler=ddpm has no option eta"),
        ("ddim:eta=high", {}, "sampler=ddim: eta must be a finite number"),
        ("ddim:num_timesteps=4", {}, "num_timesteps"),
        (None, {}, "sampler must be a name or a Sampler, got None"),
        (DDIMSampler(_DIFFUSION), {"eta": 0.5}, "eta: give them to the sampler"),
    ],
)
def test_refuses_wrong_samplers(identifier, options, message):
    with pytest.raises(ValueError, match=message):
        get_sampler(identifier, _DIFFUSION, **options)


def test_ddim_draws_no_noise_unless_told_otherwise():
    assert identifier_of(get_sampler("ddim", _DIFFUSION)) == "ddim:eta=0.0"


def test_only_noise_that_is_drawn_needs_a_seed():
    drawing = ["ddpm", "ddim:eta=0.5"]
    assert all(get_sampler(name, _DIFFUSION).draws_noise is True for name in drawing)
    assert get_sampler("ddim", _DIFFUSION).draws_noise is False


@pytest.mark.parametrize("variance", ["learned", "learned_range", "fixed_small"])
def test_a_variance_of_single_steps_is_for_no_others(variance):
    diffusion = GaussianDiffusion(5, model_variance=variance)
    assert get_sampler("ddpm", diffusion).diffusion.num_timesteps == 5
    assert get_sampler("ddim:num_timesteps=3", diffusion).diffusion.num_timesteps == 3
    if variance == "learned":
        with pytest.raises(ValueError, match="^num_timesteps=3: the variance is `lear"):
            get_sampler("ddpm:num_timesteps=3", diffusion)
    else:
        get_sampler("ddpm:num_timesteps=3", diffusion)
