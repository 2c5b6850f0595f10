"""Arguments of the networks of diffusion are held by their config, or refused."""

import copy

import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import SMALL
from tf_diffseg.diffusion import (
    SAMPLERS,
    DDIMSampler,
    EarlyExitSampler,
    GaussianDiffusion,
    get_sampler,
)
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D
from tf_diffseg.training.training_loss import TrainingLoss

_OF_NOISE = DDIMSampler(GaussianDiffusion(model_output="noise"))
_OF_FIVE_STEPS = DDIMSampler(GaussianDiffusion())
_OF_MORE_STEPS = DDIMSampler(GaussianDiffusion(11))
_RESPACED = GaussianDiffusion(9).respaced(3)


def test_a_replaced_sampler_is_saved_without_its_early_exit():
    model = DiffusionUNet3D(2, **SMALL)
    model.sampler = DDIMSampler(model.diffusion.respaced(3), eta=0.5)
    for each in (copy.deepcopy(model), DiffusionUNet3D.from_config(model.get_config())):
        assert (each.sampler.eta, each.num_steps) == (0.5, 3)
    model.sampler = EarlyExitSampler(model.sampler, 0.1)
    assert model.get_config()["sampler"] == "ddim:eta=0.5,num_timesteps=3"
    with pytest.raises(ValueError, match="another diffusion than the model"):
        model.sampler = _OF_MORE_STEPS
    assert isinstance(model.sampler, EarlyExitSampler)


class _Windowed(DDIMSampler):
    def __init__(self, diffusion, window=(1, 2), kind="flat,round"):
        super().__init__(diffusion)
        self.options = {"window": window, "kind": kind}

    options = None


def test_options_of_any_kind_are_saved_or_refused_at_once(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "windowed", f"{__name__}._Windowed")
    model = DiffusionUNet3D(2, sampler="windowed:window=(3, 4),kind='a,b'", **SMALL)
    loaded = DiffusionUNet3D.from_config(model.get_config()).sampler
    assert loaded.options == {"window": (3, 4), "kind": "a,b"}
    with pytest.raises(ValueError, match="is not read as it is written"):
        model.compile("adam", sampler=_Windowed(model.diffusion, window=object()))
    with pytest.raises(ValueError, match="eta: give them to the sampler, which is a"):
        get_sampler(loaded, model.diffusion, eta=0.5)


def test_a_loss_may_be_its_config_and_one_of_logits_needs_logits():
    loss = TrainingLoss(2.0, more_losses="focal_loss:gamma=1")
    model = DiffusionUNet3D(2, loss=loss.get_config(), **SMALL)
    assert model.training_loss.get_config() == loss.get_config()
    noise = {"strategy": "diffusion", "diffusion": {"model_output": "noise"}}
    with pytest.raises(ValueError, match="more_losses=focal_loss:gamma=1 needs a netw"):
        DiffusionUNet3D(2, loss=loss, **noise, **SMALL)


def test_config_holds_every_argument():
    arguments = {
        "num_classes": 4,
        "image_channels": 2,
        "strategy": "diffusion",
        "num_timesteps": 11,
        "num_timesteps_beta": 101,
        "beta_schedule": "quadratic",
        "beta_start": 1e-3,
        "beta_end": 0.01,
        "model_output": "noise",
        "model_variance": "learned",
        "timestep_sampling": "loss",
        "sampler": "ddpm",
        "dice_weight": 0.5,
        "cross_entropy_weight": 0.25,
        "focal_weight": 0.125,
        "focal_gamma": 1.5,
        "noise_weight": 2.0,
        "variational_weight": 0.01,
        "regions": [[1, 2], [2], [3], [4]],
        "class_frequencies": [0.5, 0.25, 0.125, 0.0625],
        "ignore_label": 255,
        "seed": 7,
        "num_channels": (4, 8),
        "num_blocks": (1, 1),
        "num_heads": 0,
        "skip": "concat",
        "dropout": 0.1,
        "remat": True,
    }
    config = flat_network(**arguments).get_config()
    held = config | config["diffusion"] | config["loss"]["config"]
    assert {name: held[name] for name in arguments} == arguments
    assert DiffusionUNet3D.from_config(config).get_config() == config
    # Files of earlier versions hold flat arguments.
    arguments["name"] = config["name"]
    assert DiffusionUNet3D.from_config(arguments).get_config() == config


def test_runs_without_xla_on_cpu_compiled_or_not():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("XLA is on if there is a GPU")
    model = DiffusionUNet3D(3, **SMALL)
    assert not model.jit_compile
    model.compile("adam")
    assert not model.jit_compile
    model.compile("adam", jit_compile=True)
    assert model.jit_compile


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 1}, "num_classes must be at least 2"),
        ({"num_timesteps": 4}, "num_timesteps=4"),
        ({"strategy": "magic"}, "magic"),
        ({"strategy": "supervised", "model_output": "noise"}, "model_output=noise"),
        (
            {"strategy": "recycling", "model_output": "noise"},
            "needs `strategy=diffusion",
        ),
        ({"dice_weight": -1.0}, "dice_weight must be a finite number"),
        ({"dice_weight": 0.0, "cross_entropy_weight": 0.0}, "are all 0"),
        ({"model_variance": "learned"}, "needs variational_weight above 0"),
        ({"strategy": "supervised", "model_variance": "learned"}, "model_variance: "),
        ({"strategy": "supervised", "timestep_sampling": "loss"}, "timestep_sampling:"),
        ({"strategy": "supervised", "num_timesteps": 4}, "num_timesteps=4"),
        ({"num_timesteps": 5.0}, "num_timesteps must be an int"),
        ({"num_timesteps": "5"}, "num_timesteps must be a finite number"),
        ({"num_timesteps_beta": 1001.0}, "num_timesteps_beta must be an int"),
        ({"eta": 1.5}, "eta must be in"),
        ({"eta": 0.5, "sampler": "ddpm"}, "sampler=ddpm has no option eta"),
        ({"regions": [[1, 2]]}, "label ids of each of num_classes=2"),
        ({"regions": [[1, 2], []]}, "label ids of each of num_classes=2"),
        ({"class_frequencies": [0.5]}, "must be 2 shares"),
        ({"class_frequencies": [0.5, 1.5]}, "must be 2 shares"),
        ({"sampler": "ddim:eta=much"}, "sampler=ddim: eta must be a finite number"),
        (
            {"sampler": "ddim:num_timesteps=abc"},
            "num_timesteps must be a finite number",
        ),
        ({"sampler": "ddim:num_timesteps=2.5"}, "num_timesteps must be an int"),
        ({"sampler": "ddim:clip_x_start=0"}, "clip_x_start must be true or false"),
        ({"focal_gamma": -1.0}, "focal_gamma must be a finite number"),
        (
            {"loss": TrainingLoss(), "dice_weight": 2.0},
            "dice_weight: give them to loss",
        ),
        (
            {"diffusion": GaussianDiffusion(), "num_timesteps": 3},
            "num_timesteps: give them to diffusion",
        ),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        flat_network(**({"num_classes": 2} | SMALL | arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"diffusion": 5}, "diffusion must be a GaussianDiffusion or None, got 5"),
        ({"loss": "dice"}, "loss must be a TrainingLoss or None, got 'dice'"),
        ({"sampler": None}, "sampler must be a name or a Sampler, got None"),
        ({"sampler": _OF_NOISE}, "for a network that predicts noise, this one predic"),
        ({"sampler": DDIMSampler}, "sampler must be a name or a Sampler, got <class"),
        ({"sampler": _OF_MORE_STEPS}, "the sampler has another diffusion than the mod"),
        ({"sampler": _OF_FIVE_STEPS, "eta": 0.5}, "eta: give it to sampler"),
        ({"diffusion": {"num_timestep": 3}}, "diffusion has no option num_timestep"),
        ({"diffusion": _RESPACED}, 'give sampler="ddim:num_timesteps=3"'),
        ({"diffusion": {"model_output": "x"}}, "model_output must be one of x_start, "),
        ({"strategy": "magic"}, "strategy must be one of .*, got 'magic'"),
        ({"timestep_sampling": "magic"}, "timestep_sampling must be one of uniform, "),
        ({"mask_channels": 1}, "mask_channels follows from num_classes"),
        ({"seed": "x"}, "seed must be an int, got 'x'"),
    ],
)
def test_refuses_what_is_no_part(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiffusionUNet3D(2, **SMALL, **arguments)


def test_refuses_a_strategy_without_diffusion_and_names_the_network_for_it():
    with pytest.raises(ValueError, match="got 'supervised'; SegmentationUNet3D is"):
        DiffusionUNet3D(2, 1, None, "supervised", **SMALL)


def test_refuses_an_argument_that_does_not_exist():
    for model in (SegmentationUNet3D, DiffusionUNet3D):
        with pytest.raises(TypeError, match="has no argument 'num_chanels'"):
            model(2, num_chanels=(4,))
    with pytest.raises(TypeError, match="has no argument 'strategy'"):
        SegmentationUNet3D(2, strategy="recycling")


def test_arguments_of_an_earlier_version_are_taken_with_a_warning():
    with pytest.warns(DeprecationWarning, match="eta, num_timesteps will not be taken"):
        model = DiffusionUNet3D(3, num_timesteps=3, eta=0.5, **SMALL)
    assert model.get_config()["sampler"] == "ddim:eta=0.5"
    with pytest.warns(DeprecationWarning, match="SegmentationUNet3D"):
        baseline = DiffusionUNet3D(3, strategy="supervised", **SMALL)
    assert type(baseline) is SegmentationUNet3D
    assert baseline.num_steps == 1


@pytest.mark.parametrize(
    "sampler",
    [
        lambda diffusion: DDIMSampler(diffusion.respaced(3), eta=0.25),
        lambda diffusion: DDIMSampler(diffusion, clip_x_start=False),
        lambda diffusion: "ddpm:num_timesteps=3",
        lambda diffusion: "ddim:eta=0.25",
    ],
)
def test_compile_chooses_a_sampler_that_is_saved_with_its_options(sampler):
    model = DiffusionUNet3D(3, **SMALL)
    with pytest.raises(ValueError, match="sampler must be one of ddim, ddpm"):
        model.compile("adam", sampler="magic")
    model.compile("adam", sampler=sampler(model.diffusion))
    loaded = DiffusionUNet3D.from_config(model.get_config()).sampler
    assert type(loaded) is type(model.sampler)
    assert loaded.options == model.sampler.options
    np.testing.assert_array_equal(
        loaded.diffusion.alphas_cumprod, model.sampler.diffusion.alphas_cumprod
    )
