"""A flag for every value of a `TrainConfig`."""

import dataclasses
import typing

from absl import flags

from experiments.flags.config_file import load_config
from tf_diffseg.command_line import parse_numbers
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs.auto_config import recommended_config
from tf_diffseg.runs.train_config import CHOICES, TrainConfig

AUTO = "auto"
_CONFIG = flags.DEFINE_string(
    "config",
    AUTO,
    "Name in experiments/configs, or path of a Python file; auto fits patch, scale "
    "factors and batch to the data and to --memory_gib.",
)
_MEMORY_GIB = flags.DEFINE_float(
    "memory_gib",
    16.0,
    "Memory that a training step may take with --config=auto, in GiB.",
    lower_bound=0.0,
)


def define_config_flags():
    """Defines the flags; without a value each keeps what the config says."""
    types = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        help_text = field.metadata["help"]
        if field.name in CHOICES:
            flags.DEFINE_enum(field.name, None, CHOICES[field.name], help_text)
        elif types[field.name] is bool:
            flags.DEFINE_bool(field.name, None, help_text)
        elif types[field.name] is int:
            flags.DEFINE_integer(
                field.name,
                None,
                help_text,
                lower_bound=field.metadata["at_least"],
                upper_bound=field.metadata["at_most"],
            )
        elif types[field.name] is float:
            flags.DEFINE_float(field.name, None, help_text)
        else:
            flags.DEFINE_string(field.name, None, help_text)


def chosen_config(data_dir):
    """The config that `--config` names, with the values of the other flags.

    Args:
        data_dir: folder of the data, which "auto" goes by.

    Returns:
        `TrainConfig`.

    Raises:
        InputError: there is no such config, or a value is a wrong one.
    """
    if _CONFIG.value != AUTO:
        return override(load_config(_CONFIG.value))
    # Its number of features may be a flag's.
    config = override(TrainConfig())
    manifest = read_manifest(data_dir)
    if not manifest.fingerprint:
        raise InputError(
            f"--config={AUTO}: the manifest in {data_dir} has no fingerprint to go by; "
            "convert the data again, or name a config"
        )
    fitting = recommended_config(
        manifest.fingerprint,
        manifest.preprocessing,
        config.num_channels,
        _MEMORY_GIB.value,
    )
    return override(dataclasses.replace(config, **fitting))


def override(config):
    """The config with those values replaced that flags were given for.

    Args:
        config: a `TrainConfig`.

    Returns:
        A new one.

    Raises:
        InputError: a flag of several numbers holds something else, or a value is
            out of range.
    """
    types = typing.get_type_hints(TrainConfig)
    given = {}
    for name, kind in types.items():
        value = flags.FLAGS[name].value
        if value is not None:
            is_plain = kind in (bool, int, float, str)
            given[name] = value if is_plain else _integers(name, value)
    try:
        return dataclasses.replace(config, **given)
    except InputError as error:
        # The config's own values passed already: this is one of the flags'.
        raise InputError(f"--{error}") from None


def _integers(name, text):
    per_resolution = name in ("num_channels", "num_blocks")
    count = len(text.split(",")) if per_resolution else 3
    return parse_numbers(name, text, count, int)
