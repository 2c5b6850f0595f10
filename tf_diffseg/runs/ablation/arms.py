"""Arms of an ablation: a config, and the values in which others differ from it."""

import dataclasses
import re

from tf_diffseg.errors import InputError
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import named_options, read_json, with_options

DEFAULT = "default"
# Reverse steps of arms that train on more steps.
_SAMPLED_STEPS = 5
# An arm's folder has its name.
_NAME = re.compile(r"\w[\w.-]*")
_SAME_FOR_ALL = (
    *("seed", "epochs", "validation_frequency", "early_stopping"),
    *("folds", "fold", "test_in_folds"),
)


@dataclasses.dataclass(frozen=True)
class Arm:
    """One network to train for every seed.

    Attributes:
        names: its names; more than one if several arms have the same config.
        changes: dict from the name of a value that differs from the default to it.
        config: `TrainConfig`.
    """

    names: tuple[str, ...]
    changes: dict
    config: TrainConfig

    @property
    def name(self):
        """The first name, which is that of the folder."""
        return self.names[0]


def paper_arms(config=TrainConfig()):  # noqa: B008 immutable
    """The ablations of the paper (arXiv 2303.06040) and of its sequel (2308.16355).

    Noise is predicted without recycling only: the network does not take both.

    Args:
        config: `TrainConfig` that all arms share.

    Returns:
        Dict from name to changes of it.
    """

    def loss(**weights):
        none = {"dice_weight": 0.0, "cross_entropy_weight": 0.0, "focal_weight": 0.0}
        return none | {"more_losses": ""} | weights

    def strategy(name):
        return {"strategy": name}

    name, options = named_options(config.sampler)
    few_steps = with_options(name, options | {"num_timesteps": _SAMPLED_STEPS})
    steps = {
        "steps_5": {"num_timesteps": _SAMPLED_STEPS},
        "steps_11": {"num_timesteps": 11, "sampler": few_steps},
        "steps_1001": {"num_timesteps": 1001, "sampler": few_steps},
    }
    return {
        # Losses of logits do not apply to noise.
        "noise": {
            **strategy("diffusion"),
            "model_output": "noise",
            "more_losses": "",
        },
        "x_start": {**strategy("diffusion"), "model_output": "x_start"},
        "cross_entropy": loss(cross_entropy_weight=1.0),
        "dice": loss(dice_weight=1.0),
        "dice_and_cross_entropy": loss(dice_weight=1.0, cross_entropy_weight=1.0),
        "focal": loss(focal_weight=1.0),
        "no_recycling": strategy("diffusion"),
        **{
            name: strategy(name)
            for name in (
                "recycling",
                "recycling_from_last",
                "recycling_by_reverse_step",
                "recycling_from_last_by_reverse_step",
                "self_conditioning",
                "self_conditioning_from_next",
            )
        },
        # A network without diffusion has none.
        **({} if config.strategy == "supervised" else steps),
        "supervised": strategy("supervised"),
    }


def read_arms(path):
    """Reads a JSON file of arms: {name: {value of the config: what it is there}}.

    Raises:
        InputError: it is anything else.
    """
    changes = read_json(path)
    for name, values in changes.items():
        if not (isinstance(values, dict) and _NAME.fullmatch(name)):
            raise InputError(
                f"arms_file={path}: expected names of letters, digits, '_', '.' and "
                f"'-', each with an object of values, got {name!r}: {values!r}",
                argument="arms_file",
            )
    return changes


def make_arms(config, changes_by_name, chosen=()):
    """Makes the arms, each config once.

    Args:
        config: `TrainConfig` of the default.
        changes_by_name: dict from the name of each arm to its changes.
        chosen: names of the arms to make; empty for all.

    Returns:
        List of `Arm`s, the default first.

    Raises:
        InputError: an arm has a value that is not right, or there is no such arm.
    """
    names_of: dict[TrainConfig, list[str]] = {}
    for name, changes in {DEFAULT: {}, **changes_by_name}.items():
        names_of.setdefault(_arm_config(config, name, changes), []).append(name)
    known = sum(names_of.values(), [])
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise InputError(
            f"arms={','.join(unknown)}: expected some of {', '.join(known)}",
            argument="arms",
        )
    return [
        Arm(tuple(names), _differences(config, changed), changed)
        for changed, names in names_of.items()
        if not chosen or {DEFAULT, *chosen} & {*names}
    ]


def _arm_config(config, name, changes):
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    for value in changes:
        if value not in fields or value in _SAME_FOR_ALL:
            problem = "is the same for all arms"
            if value not in fields:
                problem = "is no value of a config"
            raise InputError(f"arms={name}: {value} {problem}", argument="arms")
    if name == DEFAULT and changes:
        raise InputError(
            f"arms={DEFAULT} is the config that all share and cannot have changes",
            argument="arms",
        )
    try:
        return config.with_values(**changes)
    except InputError as error:
        raise InputError(f"arms={name}: {error}", argument="arms") from error


def _differences(config, changed):
    before, now = dataclasses.asdict(config), dataclasses.asdict(changed)
    return {name: now[name] for name in now if now[name] != before[name]}
