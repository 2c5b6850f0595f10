"""The parts of a training run, checked without TensorFlow."""

import dataclasses
import itertools
import os
import pathlib

from tf_diffseg.data.manifest import Manifest
from tf_diffseg.data.some_cases import SomeCases
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.folds.run_data import check_start_is_unaware, read_run_data
from tf_diffseg.runs.initial_weights import config_of_start
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.text import shown


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """The parts of a training run.

    Attributes:
        config: the resolved `TrainConfig`.
        manifest: `Manifest` of the data, of one fold if the config asks for folds.
        shard_paths: dict from "train", and from "validation" if there is such a split,
            to what `Manifest.shard_paths` gives.
        run_folder: `RunFolder` to write to.
    """

    config: TrainConfig
    manifest: Manifest
    shard_paths: dict[str, list[str] | SomeCases]
    run_folder: RunFolder

    @property
    def all_shards(self):
        """Paths of all shards, each once."""
        return list(dict.fromkeys(itertools.chain(*self.shard_paths.values())))


def plan_run(config, data_dir, model_dir):
    """Makes the `RunPlan` of `training.train`.

    Raises:
        InputError: the config is no `TrainConfig`, a folder cannot be used, or its run
            has another config or other data.
    """
    if not isinstance(config, TrainConfig):
        raise InputError(
            f"config must be a TrainConfig, got {shown(config)}", argument="config"
        )
    manifest = read_run_data(config, data_dir)
    model_dir = output_folder("model_dir", model_dir)
    if model_dir.resolve() == pathlib.Path(data_dir).resolve():
        raise InputError(
            f"model_dir={model_dir} is the folder of `data_dir`, name another",
            argument="model_dir",
        )
    run_folder = RunFolder(model_dir)
    config = config_of_start(config, run_folder)
    check_start_is_unaware(config, manifest)
    run_folder.check(config, manifest)
    shard_paths = training_shards(config, manifest, data_dir)
    return RunPlan(config, manifest, shard_paths, run_folder)


def training_shards(config, manifest, data_dir):
    """`RunPlan.shard_paths`, absolute and checked against a `TrainConfig`.

    Raises:
        InputError: there is no split train, early stopping lacks a validation, a shard
            is missing, or the cases do not fill one batch.
    """
    num_cases = len(manifest.split("train").uids)
    if config.remainder == "drop" and config.batch_size > num_cases:
        raise InputError(
            f"batch_size={config.batch_size} is more than the {num_cases} cases of "
            f"the split train in {data_dir}",
            argument="batch_size",
        )
    if config.early_stopping and "validation" not in manifest.splits:
        raise InputError(
            f"early_stopping={config.early_stopping} needs a split validation, which "
            f"the data in {data_dir} does not have",
            argument="early_stopping",
        )
    if config.early_stopping and config.validation_frequency > config.epochs:
        raise InputError(
            f"early_stopping={config.early_stopping} needs a validation, but "
            f"`validation_frequency={config.validation_frequency}` is more than "
            f"`epochs={config.epochs}`",
            argument="early_stopping",
        )
    # Workers of a tf.data service may have other working folders.
    data_dir = os.path.abspath(data_dir)
    return {
        split: manifest.shard_paths(data_dir, split)
        for split in ("train", "validation")
        if split in manifest.splits
    }
