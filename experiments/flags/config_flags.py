"""A flag for every value of a `TrainConfig`."""

from absl import flags

from experiments.flags.config_file import load_config
from tf_diffseg.option_flags import define_flags, given_values
from tf_diffseg.runs.planning.recommendation import DEFAULT_HOURS, recommend_config
from tf_diffseg.runs.planning.source_network import network_to_begin_from
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig

AUTO = "auto"
_CONFIG = flags.DEFINE_string(
    "config",
    AUTO,
    "Name in experiments/configs, or path of a Python file; auto chooses by the data, "
    "--memory_gib and --time_budget_hours, and goes on with the config of a run that "
    "--model_dir holds.",
)
MEMORY_GIB = flags.DEFINE_float(
    "memory_gib",
    None,
    "Memory that training may take on each device, in GiB. Without the flag "
    "--config=auto plans for 16, or for most of what is free (or a GPU has) if that is "
    "less, and on a CPU a step that takes more than is free is refused.",
    lower_bound=0.0,
)
_TIME_BUDGET_HOURS = flags.DEFINE_float(
    "time_budget_hours",
    DEFAULT_HOURS,
    "Hours of training, with its validations, that --config=auto plans.",
    lower_bound=1e-3,
)


def define_config_flags():
    """Defines the flags; without a value each keeps what the config says."""
    define_flags(TrainConfig, has_defaults=False)


def chosen_config(data_dir, model_dir, num_devices=None, hours=None, **given):
    """The config that `--config` names, with the values of the other flags.

    A run that begins from trained weights has the network of these, so that they fit,
    but for what flags say of it.

    Args:
        data_dir: folder of the data, which "auto" goes by.
        model_dir: folder of the run, whose config "auto" goes on with.
        num_devices: as for `recommend_config`.
        hours: time of a run, in place of that of the flag.
        **given: values of the config that count as given by flags.

    Returns:
        (`TrainConfig`, the `Recommendation` that "auto" made or None).

    Raises:
        InputError: there is no such config, or a value is a wrong one.
    """
    run_folder = RunFolder(model_dir)
    if _CONFIG.value != AUTO:
        config = load_config(_CONFIG.value)
        values = given_values(TrainConfig)
        network = network_to_begin_from(config.with_values(**values), run_folder)
        return config.with_values(**network).with_values(**values), None
    if run_folder.config_path.is_file():
        return run_folder.config().with_values(**given_values(TrainConfig)), None
    recommendation = recommend_config(
        data_dir,
        MEMORY_GIB.value,
        hours or _TIME_BUDGET_HOURS.value,
        num_devices,
        **(given_values(TrainConfig) | given),
    )
    return recommendation.config, recommendation
