"""A flag for every value of a `TrainConfig`."""

import dataclasses

from absl import flags

from experiments.flags.config_file import load_config
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.option_flags import define_flags, from_flags
from tf_diffseg.runs.auto_config import recommended_config
from tf_diffseg.runs.train_config import TrainConfig

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
    define_flags(TrainConfig, has_defaults=False)


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
        return from_flags(TrainConfig, load_config(_CONFIG.value))
    # Its number of features may be a flag's.
    config = from_flags(TrainConfig)
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
    return from_flags(TrainConfig, dataclasses.replace(config, **fitting))
