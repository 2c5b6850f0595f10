"""The arms of an ablation."""

import json

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.runs.ablation.arms import make_arms, paper_arms, read_arms
from tf_diffseg.runs.train_config import TrainConfig


def _names(arms):
    return [arm.names for arm in arms]


def test_an_arm_that_equals_another_is_trained_only_once():
    arms = make_arms(TrainConfig(), paper_arms())
    names = _names(arms)
    assert names[0] == ("default", "dice_and_cross_entropy", "recycling", "steps_5")
    assert ("x_start", "no_recycling") in names
    assert len(names) == len({arm.config for arm in arms}) == 14
    assert arms[0].changes == {}
    (noise,) = (arm for arm in arms if arm.name == "noise")
    assert noise.changes == {"strategy": "diffusion", "model_output": "noise"}


def test_arms_change_only_what_they_are_about():
    config = TrainConfig(strategy="recycling_from_last", sampler="ddpm", focal_weight=1)
    arms = {arm.name: arm for arm in make_arms(config, paper_arms(config))}
    assert arms["default"].names == ("default", "recycling_from_last", "steps_5")
    assert arms["dice"].changes == {"cross_entropy_weight": 0.0, "focal_weight": 0.0}
    assert arms["steps_11"].changes == {
        "num_timesteps": 11,
        "sampler": "ddpm:num_timesteps=5",
    }


def test_a_supervised_default_has_no_arms_of_steps():
    names = paper_arms(TrainConfig(strategy="supervised"))
    assert "recycling" in names and not [n for n in names if n.startswith("steps")]


def test_the_supervised_twin_is_the_branch_of_the_image():
    config = TrainConfig(mask_branch=(16, 32), mask_output="logits")
    arms = make_arms(config, paper_arms(config), ["supervised"])
    assert _names(arms)[1:] == [("supervised",)]
    assert arms[1].config.mask_branch is None


def test_some_arms_are_chosen_by_any_of_their_names():
    arms = make_arms(TrainConfig(), paper_arms(), ["no_recycling", "steps_5"])
    assert [arm.name for arm in arms] == ["default", "x_start"]


def test_arms_of_a_file(tmp_path):
    path = tmp_path / "arms.json"
    path.write_text(json.dumps({"wide": {"num_channels": [8, 16], "ema": 0.9}}))
    arms = make_arms(TrainConfig(), read_arms(path))
    assert arms[1].config == TrainConfig(num_channels=(8, 16), ema=0.9)


@pytest.mark.parametrize(
    "changes, chosen, message",
    [
        ({"a": {"wide": 1}}, [], "^arms=a: wide is no value of a config$"),
        ({"a": {"epochs": 1}}, [], "^arms=a: epochs is the same for all arms$"),
        ({"a": {"fold": 1}}, [], "^arms=a: fold is the same for all arms$"),
        ({"a": {"ema": 2}}, [], "^arms=a: ema must be at most 0.99999, got 2$"),
        ({"default": {"ema": 0.9}}, [], "^arms=default is the config that all share"),
        ({"a": {"ema": 0.9}}, ["b"], "^arms=b: expected some of default, a$"),
    ],
)
def test_refuses_arms(changes, chosen, message):
    with pytest.raises(InputError, match=message):
        make_arms(TrainConfig(), changes, chosen)


@pytest.mark.parametrize("text", ['{"a": 1}', '{"../a": {}}', "[]", "{"])
def test_refuses_a_file_in_one_line_that_names_it(text, tmp_path):
    path = tmp_path / "arms.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"arms\.json") as refused:
        read_arms(path)
    assert "\n" not in str(refused.value)
