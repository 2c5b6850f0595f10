import dataclasses
import inspect

import pytest

from experiments.config_flags import _CHOICES
from experiments.train_config import CONFIGS_DIR, TrainConfig, load_config


@pytest.mark.parametrize("path", sorted(CONFIGS_DIR.glob("[!_]*.py")), ids=str)
def test_every_config_builds_its_model(path):
    from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

    config = load_config(path.stem)
    DiffusionUNet3D(3, **config.model_arguments())


def test_json_round_trip(tmp_path):
    config = dataclasses.replace(TrainConfig(), num_blocks=(1, 2), learning_rate=0.5)
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert TrainConfig.from_json(path) == config


def test_choices_of_flags_are_those_of_the_library():
    from tf_diffseg.diffusion import BetaSchedule, ModelOutput, SamplerKind
    from tf_diffseg.models.unet_3d import SKIPS
    from tf_diffseg.training.noisy_mask import TrainingStrategy

    enums = {
        "strategy": TrainingStrategy,
        "beta_schedule": BetaSchedule,
        "model_output": ModelOutput,
        "sampler": SamplerKind,
    }
    expected = {name: {e.value for e in enum} for name, enum in enums.items()}
    expected["skip"] = set(SKIPS)
    assert {name: set(values) for name, values in _CHOICES.items()} == expected


def test_model_arguments_are_those_of_the_model():
    from tf_diffseg.models.unet_3d import UNet3D
    from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

    known = {
        name
        for model in (DiffusionUNet3D, UNet3D)
        for name in inspect.signature(model.__init__).parameters
    }
    assert set(TrainConfig().model_arguments()) <= known
