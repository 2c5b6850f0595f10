"""The parts of a training run, checked without TensorFlow."""

import dataclasses
import pathlib

from tf_diffseg.data.manifest import Manifest, read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.initial_weights import config_of_start
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training_shards import training_shards


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """The parts of a training run.

    Attributes:
        config: the resolved `TrainConfig`.
        manifest: `Manifest` of the data.
        shard_paths: dict from "train", and from "validation" if there is such a split,
            to the paths of the shards.
        run_folder: `RunFolder` to write to.
    """

    config: TrainConfig
    manifest: Manifest
    shard_paths: dict[str, list[str]]
    run_folder: RunFolder


def plan_run(config, data_dir, model_dir):
    """Makes the `RunPlan` of `training.train`.

    Raises:
        InputError: a folder cannot be used, or its run has another config or other
            data.
    """
    manifest = read_manifest(data_dir)
    model_dir = output_folder("model_dir", model_dir)
    if model_dir.resolve() == pathlib.Path(data_dir).resolve():
        raise InputError(
            f"model_dir={model_dir} is the folder of data_dir, name another",
            argument="model_dir",
        )
    run_folder = RunFolder(model_dir)
    config = config_of_start(config, run_folder)
    run_folder.check(config, manifest)
    shard_paths = training_shards(config, manifest, data_dir)
    return RunPlan(config, manifest, shard_paths, run_folder)
