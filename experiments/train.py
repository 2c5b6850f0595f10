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

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.runs import training
from tf_diffseg.runs.planning.config_source import config_source
from tf_diffseg.runs.trackers import TRACKERS
from tf_diffseg.runs.training_exit import exit_code

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
    "tracker", None, list(TRACKERS), "Where else to log; its package is an extra."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run",
    False,
    "Says what the run would cost, takes two steps, checks an export, and ends; leaves "
    "nothing in --model_dir.",
)
_PRINT_CONFIG = flags.DEFINE_bool(
    "print_config",
    False,
    "Prints the config as a Python file for --config, and ends: > my_config.py.",
)
flags.mark_flags_as_required(["data_dir", "model_dir"])
config_flags.define_config_flags()


def main(argv):
    """Trains, or tries what training would be; returns the exit code."""
    del argv
    return exit_code(_run)


def _run():
    folders = (_DATA_DIR.value, _MODEL_DIR.value)
    memory_gib, num_devices = config_flags.MEMORY_GIB.value, _NUM_DEVICES.value
    config, chosen = config_flags.chosen_config(*folders, num_devices)
    if _PRINT_CONFIG.value:
        print(config_source(config, chosen), end="")
        return
    if chosen:
        print(f"chosen for {chosen.dataset}:\n{chosen.table()}", flush=True)
    arguments = (config, *folders, _DATA_SERVICE.value, num_devices)
    if _DRY_RUN.value:
        training.dry_run(*arguments, memory_gib=memory_gib)
    else:
        training.train(*arguments, _TRACKER.value, memory_gib)


if __name__ == "__main__":
    command_line.run(main)
