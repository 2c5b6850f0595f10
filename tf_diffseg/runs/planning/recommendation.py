"""A config for the data at hand, without a number from the user."""

import contextlib
import dataclasses
import sys

from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.folds.run_data import read_run_data
from tf_diffseg.runs.planning.coarse_features import relative_cost
from tf_diffseg.runs.planning.gpus import visible_gpus
from tf_diffseg.runs.planning.memory_check import check_memory
from tf_diffseg.runs.planning.recommender import Choice, Recommender
from tf_diffseg.runs.planning.run_length import (
    ENOUGH_STEPS,
    examples_in_time,
    steps_in_time,
)
from tf_diffseg.runs.planning.source_network import network_of_source
from tf_diffseg.runs.run_plan import training_shards
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text_table import text_table

DEFAULT_HOURS = 2.0


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What `recommend_config` chose.

    Attributes:
        dataset: name of the data set.
        config: the `TrainConfig`.
        choices: list of `Choice`s: name, value, and why.
    """

    dataset: str
    config: TrainConfig
    choices: list[Choice]

    def table(self):
        """The choices as a table for a terminal."""
        rows = [[name, value_text(value), why] for name, value, why in self.choices]
        return text_table([["value", "chosen", "why"], *rows])


def recommend_config(
    data_dir,
    memory_gib=None,
    time_budget_hours=DEFAULT_HOURS,
    num_devices=None,
    **given,
):
    """Chooses a `TrainConfig` by the data, the memory and the time.

    Unless `epochs` is given, it takes some steps to measure their time.

    Args:
        data_dir: folder of the shards and their manifest.
        memory_gib: memory of the training process on each device, in GiB; None for
            16, or most of what is free (or a GPU has) if that is less.
        time_budget_hours: time for training, with its validations.
        num_devices: how many GPUs of this machine train; None for all.
        **given: values of `TrainConfig` that are to stay as they are.

    Returns:
        `Recommendation`.

    Raises:
        InputError: the manifest has no fingerprint, not even the smallest patch fits
            into memory, or a given value is wrong.

    Example:
        >>> recommendation = recommend_config(data_dir, epochs=3)
        >>> recommendation.config.patch_shape
        (12, 12, 8)
    """
    manifest = read_run_data(TrainConfig(**given), data_dir)
    if given.get("init_from"):
        source = network_of_source(given["init_from"], given.get("strategy"))
        config = TrainConfig().with_values(**source).with_values(**given)
        given = {name: getattr(config, name) for name in source} | given
    planned = (manifest, memory_gib, given, _count_devices(num_devices))
    recommender = _with_network(*planned)
    if "epochs" not in given:
        measured = (manifest, data_dir, memory_gib, num_devices)
        seconds = _step_seconds(recommender.config, *measured)
        steps = steps_in_time(seconds, time_budget_hours)
        limits = _limits_of_time(steps, recommender.config)
        within = _with_network(*planned, **limits)
        if within.config != recommender.config:
            recommender = within
            seconds = _step_seconds(recommender.config, *measured)
        num_windows = _num_windows(recommender.config, manifest, data_dir)
        recommender.choose_length(seconds, time_budget_hours, num_windows)
    recommender.choose_schedule()
    recommender.choose_augmentation()
    return Recommendation(manifest.dataset, recommender.config, recommender.choices)


def _limits_of_time(steps, config):
    """Arguments of `Recommender`, if so many steps of a config fit into the time."""
    if steps < ENOUGH_STEPS:
        voxels = relative_cost(config.patch_shape, config.patch_size)
        return {"most_voxels": steps / ENOUGH_STEPS * voxels}
    return {"most_examples": examples_in_time(steps)}


def _count_devices(num_devices):
    """Number of devices that train: of all GPUs if None is given, or the CPU."""
    gpus = visible_gpus()
    return 1 if gpus is None else num_devices or gpus.number


def _with_network(manifest, memory_gib, given, num_devices, **limits):
    """A `Recommender` that has chosen the network and the patches of an epoch."""
    limits["num_devices"] = num_devices
    recommender = Recommender(manifest, memory_gib, given, **limits)
    recommender.choose_network()
    recommender.choose_epoch()
    return recommender


def _num_windows(config, manifest, data_dir):
    """Number of windows of a validation, 0 without a split for it."""
    from tf_diffseg.data.validation_pipeline import windows_of_cases

    shards = training_shards(config, manifest, data_dir).get("validation")
    if shards is None:
        return 0
    return len(windows_of_cases(shards, config.patch_shape, manifest.ignored_id))


def value_text(value):
    """Writes a value as its flag takes it."""
    if isinstance(value, tuple):
        is_nested = value and isinstance(value[0], tuple)
        return ("/" if is_nested else ",").join(map(value_text, value))
    return str(value)


def _step_seconds(config, manifest, data_dir, memory_gib, num_devices):
    load_tensorflow()
    # A given patch may take more than there is.
    check_memory(config, manifest, memory_gib)
    from tf_diffseg.runs.trial import measure_step

    # The output may be a file that a config is written to.
    with contextlib.redirect_stdout(sys.stderr):
        print("measuring the time of a step", flush=True)
        return measure_step(config, manifest, data_dir, num_devices)
