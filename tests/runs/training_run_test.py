"""What a run refuses to build, by the names of its values."""

import dataclasses

import pytest

from tests.runs.toy_run import MANIFEST
from tf_diffseg.data.manifest import Shard, Split
from tf_diffseg.errors import InputError
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training_run import build_network

_VOXELS = {"voxels_per_class": [8, 1, 1]}
_DATA = dataclasses.replace(
    MANIFEST, splits={"train": Split(["a"], [Shard("train", 1, "0")], _VOXELS)}
)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"sampler": "ddim:eta=2"}, "--sampler=ddim:eta=2: eta must be in [0, 1]"),
        ({"num_timesteps": 4}, "--num_timesteps=4 does not evenly divide the 1001"),
        (
            {"model_output": "noise"},
            "--model_output=noise needs --strategy=diffusion or self_conditioning",
        ),
        ({"beta_end": 0.0}, "--beta_start=0.0001 and --beta_end=0.0: expected 0 <"),
        ({"mask_branch": (4, 4, 4, 4)}, "--mask_branch must be up to 3 positive"),
    ],
    ids=str,
)
def test_a_command_names_the_flag_of_a_value_that_no_network_can_have(values, message):
    with pytest.raises(InputError) as caught:
        build_network(TrainConfig(**values), _DATA)
    assert caught.value.of_command().startswith(message)
