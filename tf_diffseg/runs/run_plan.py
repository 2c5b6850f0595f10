"""What a training run is made of, checked as far as can be without TensorFlow."""

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
    """What a training run is made of.

    Attributes:
        config: the resolved `TrainConfig`.
        manifest: `Manifest` of the data.
        shard_paths: dict from "train" and, if there is one, "validation" to the
            paths of their shards.
        run_folder: `RunFolder` to write to.
    """

    config: TrainConfig
    manifest: Manifest
    shard_paths: dict[str, list[str]]
    run_folder: RunFolder


def plan_run(config, data_dir, model_dir):
    """Reads what belongs to a run and checks that it fits together.

    Args:
        config: `TrainConfig`.
        data_dir: folder of the shards and their manifest.
        model_dir: folder of the run, which may hold one to go on with.

    Returns:
        `RunPlan`.

    Raises:
        InputError: a folder is not as it must be, or its run has another config or
            other data.
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
