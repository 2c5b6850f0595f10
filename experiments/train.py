r"""Trains a diffusion model on converted shards.

    python -m experiments.train --config=msd_hippocampus \
        --data_dir=SHARDS --model_dir=RUN

The same command on the same folder resumes a run that was stopped. A flag of a value
that the config holds, such as --epochs, replaces it; without the flag it stays.

With --init_from a new run starts from weights that are trained already:

    python -m experiments.train --init_from=hippocampus --data_dir=SHARDS \
        --model_dir=RUN

The learning rate's decay spans the epochs given, counted from the first. A run that
goes on with more --epochs than before hence goes on at a higher learning rate than
it had ended with.
"""

import os
import pathlib
import sys

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.data.data_service import check_data_service
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.initial_weights import config_of_start
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.trackers import TRACKERS, check_tracker
from tf_diffseg.runs.training_shards import training_shards

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of the run: config, checkpoints, logs, metrics."
)
_DATA_SERVICE = flags.DEFINE_string(
    "data_service",
    None,
    "Dispatcher of a tf.data service that loads the training cases, such as "
    "grpc://localhost:5050; its workers must see --data_dir under the same path.",
)
_NUM_DEVICES = flags.DEFINE_integer(
    "num_devices", None, "How many GPUs of this machine train; all without the flag."
)
_TRACKER = flags.DEFINE_enum(
    "tracker", None, TRACKERS, "Where else to log; its package is an extra."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "Says what the run would cost, takes two steps, checks an export, and ends; leaves "
    "nothing in --model_dir.",
)
flags.mark_flags_as_required(["data_dir", "model_dir"])
config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # So that --help lists them.


def main(argv):
    """Checks everything that can be checked, then trains; returns the exit code."""
    del argv
    config = config_flags.chosen_config(_DATA_DIR.value)
    manifest = read_manifest(_DATA_DIR.value)
    model_dir = output_folder("model_dir", _MODEL_DIR.value)
    if model_dir.resolve() == pathlib.Path(_DATA_DIR.value).resolve():
        raise InputError(
            f"--model_dir={model_dir} is the folder of --data_dir, name another"
        )
    run_folder = RunFolder(model_dir)
    config = config_of_start(config, run_folder)
    run_folder.check(config, manifest)
    shard_paths = training_shards(config, manifest, _DATA_DIR.value)
    check_tracker(_TRACKER.value)
    if _DATA_SERVICE.value is not None:
        check_data_service(_DATA_SERVICE.value)
    load_tensorflow()
    check_counts(manifest, [path for paths in shard_paths.values() for path in paths])
    from tf_diffseg.runs.training_run import WORKER_LOST, train

    means = (_DATA_SERVICE.value, _NUM_DEVICES.value)
    if _DRY_RUN.value:
        from tf_diffseg.runs.dry_run import dry_run

        return dry_run(config, manifest, shard_paths, *means)
    code = train(
        config, manifest, shard_paths, run_folder, *means, tracker=_TRACKER.value
    )
    if code == WORKER_LOST:
        # An orderly end would wait for the worker that is gone.
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    command_line.run(main)
