"""Values of a training run, and what they refuse."""

import inspect

import pytest

from experiments.flags.config_file import CONFIGS_DIR, load_config
from tf_diffseg.diffusion.samplers import SAMPLERS
from tf_diffseg.errors import InputError
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.choices import TrainingStrategy


@pytest.mark.parametrize("path", sorted(CONFIGS_DIR.glob("[!_]*.py")), ids=str)
def test_every_config_builds_its_model(path):
    from tf_diffseg.training.flat_network import flat_network

    config = load_config(path.stem)
    flat_network(3, **config.model_arguments())


def test_json_round_trip(tmp_path):
    config = TrainConfig(
        num_channels=(4, 8, 8),
        num_blocks=(1, 2, 2),
        kernel_size=((3, 3, 1), (3, 3, 1), (3, 3, 3)),
        scale_factor=((2, 2, 1), (2, 2, 2)),
        learning_rate=0.5,
    )
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert TrainConfig.from_json(path) == config


def test_pipeline_arguments_are_those_of_the_pipeline():
    from tf_diffseg.data import training_dataset
    from tf_diffseg.data.augmentation import OPTIONS

    known = {*inspect.signature(training_dataset).parameters, *OPTIONS}
    assert set(TrainConfig().pipeline_arguments()) <= known
    assert "noise" in TrainConfig().pipeline_arguments()


def test_enum_members_lists_and_whole_numbers_become_the_types_of_the_fields():
    config = TrainConfig(
        strategy=TrainingStrategy.DIFFUSION, num_blocks=[1, 2], learning_rate=1
    )
    assert config == TrainConfig(
        strategy="diffusion", num_blocks=(1, 2), learning_rate=1.0
    )


WRONG_VALUES = [
    ("epochs", "3", "a whole number"),
    ("epochs", 3.5, "a whole number"),
    ("epochs", True, "a whole number"),
    ("epochs", 0, "at least 1"),
    ("seed", 2**31, "at most 2147483647"),
    ("learning_rate", float("nan"), "a finite number of 32 bits"),
    ("learning_rate", float("inf"), "a finite number of 32 bits"),
    ("learning_rate", 1e39, "a finite number of 32 bits"),
    ("learning_rate", "0.1", "a finite number of 32 bits"),
    ("patch_shape", (8, 8), "3 whole numbers"),
    ("patch_shape", 8, "3 whole numbers"),
    ("patch_shape", ((8, 8, 8),), "3 whole numbers"),
    ("kernel_size", ((3, 3, 1), (3, 3)), "3 whole numbers, or tuples of 3 each"),
    ("kernel_size", ((3, 3, 1), 3, 3), "3 whole numbers, or tuples of 3 each"),
    ("scale_factor", ((2, 2, 1), (2, 2, 0)), "at least 1"),
    ("num_channels", (), "some whole numbers"),
    ("num_channels", (8, "16"), "some whole numbers"),
    ("num_channels", None, "some whole numbers"),
    ("sampler", "foo", f"one of {', '.join(SAMPLERS)}"),
    ("sampler", "ddim:", f"a name with options such as {[*SAMPLERS][0]}:option=1.5"),
    ("skip", None, "one of add, concat"),
    ("flip_axes", "xw", "of xyz"),
    ("flip_axes", "xx", "of xyz"),
    ("noise_probability", 1.5, "at most 1.0"),
    ("low_resolution", 0.5, "at least 1.0"),
    ("balance_classes", 1, "true or false"),
    ("remainder", "keep", "one of drop, pad"),
    ("foreground_share", 1.1, "at most 1"),
    ("flip_axes", 3, "text"),
]


@pytest.mark.parametrize("name, value, expected", WRONG_VALUES, ids=str)
def test_a_wrong_value_is_named(name, value, expected):
    with pytest.raises(InputError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value).startswith(f"{name} must be {expected}, got ")
    assert str(value) in str(caught.value)


@pytest.mark.parametrize(
    "body, message",
    [
        ("return TrainConfig(epochs='3')", "epochs must be a whole number, got '3'"),
        ("return TrainConfig(epoch=3)", "TrainConfig has no field epoch, expected one"),
        ("return TrainConfig(", "syntax error in line 3: "),
        ("return 1 / 0", "ZeroDivisionError: division by zero"),
        ("return 3", "get_config() must return a TrainConfig, got int"),
        ("import no_such_module", "ModuleNotFoundError: No module named"),
    ],
)
def test_a_wrong_config_file_is_named(tmp_path, body, message):
    path = tmp_path / "mine.py"
    path.write_text(
        "from tf_diffseg.runs.train_config import TrainConfig\n"
        f"def get_config():\n    {body}\n"
    )
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"--config={path}: {message}")


@pytest.mark.parametrize(
    "options, message",
    [
        ("diffusion=1", "amos_ct: diffusion must be true or false, got 1"),
        ("dimensions=flat", "amos_ct: dimensions must be a finite number"),
        ("depth=2", "amos_ct has no option depth, it has dimensions, diffusion"),
    ],
)
def test_options_of_a_config_are_checked(options, message):
    with pytest.raises(InputError, match=f"^--config=amos_ct:{options}: {message}"):
        load_config(f"amos_ct:{options}")
    assert load_config("amos_ct:diffusion=false").strategy == "supervised"


def test_losses_without_a_value_are_named():
    with pytest.raises(InputError, match="^more_losses=focal_loss:gamma: expected a n"):
        TrainConfig(more_losses="dice_loss focal_loss:gamma")


@pytest.mark.parametrize(
    "values, branch, output",
    [
        ({}, (16, 32), "logits"),
        ({"num_channels": (4, 8)}, (16,), "logits"),
        ({"num_channels": (4,)}, None, "features"),
        ({"strategy": "diffusion"}, (16, 32), "logits"),
        ({"strategy": "supervised"}, None, "features"),
        ({"mask_branch": ()}, None, "features"),
        ({"mask_branch": None}, None, "features"),
        ({"mask_output": "features"}, (16, 32), "features"),
        ({"mask_branch": (4, 8, 8)}, (4, 8, 8), "logits"),
        ({"strategy": "supervised", "mask_output": "features"}, None, "features"),
        ({"strategy": "diffusion", "model_output": "noise"}, None, "features"),
        ({"mask_branch": (), "num_channels": (4, 8)}, None, "features"),
    ],
)
def test_the_mask_branch_follows_other_values(values, branch, output):
    config = TrainConfig(mask_branch=(16, 32), mask_output="logits")
    changed = config.with_values(**values)
    assert (changed.mask_branch, changed.mask_output) == (branch, output)


@pytest.mark.parametrize(
    "values, levels",
    [
        ({}, 3),
        ({"num_channels": (4, 8, 8)}, 2),
        ({"num_channels": (4,)}, 0),
        ({"strategy": "supervised"}, 3),
        ({"mask_branch": ()}, 0),
        ({"strategy": "diffusion", "model_output": "noise"}, 0),
        ({"deep_supervision": 1}, 1),
    ],
)
def test_deep_supervision_follows_other_values(values, levels):
    config = TrainConfig(mask_branch=(16, 32), mask_output="logits", deep_supervision=3)
    assert config.with_values(**values).deep_supervision == levels


def test_a_mask_branch_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="branch=8 cannot be: `strategy=supervised`"):
        TrainConfig(strategy="supervised", mask_branch=(8,))
    with pytest.raises(InputError, match="branch=8,4 cannot be: `strategy=supervised`"):
        TrainConfig().with_values(strategy="supervised", mask_branch=(8, 4))
    with pytest.raises(InputError, match="branch=8 cannot be: `model_output=noise` is"):
        TrainConfig(strategy="diffusion", model_output="noise", mask_branch=(8,))
    with pytest.raises(InputError, match="mask_output=logits needs `mask_branch`"):
        TrainConfig(mask_output="logits")
