r"""Trains a network for each fold, and scores every case by one that has not seen it.

    python -m experiments.cross_validate --data_dir=SHARDS --output_dir=OUT

Divides the cases of all splits but test (--test_in_folds: of test as well) into
--folds, 5 by default; cases of one group stay together. Writes a run folder per fold,
OUT/fold_0 and so on, and OUT/results with metrics.json, metrics.csv, report.html and
cross_validation.md, the tables that it prints. Called again, it goes on where it
stopped, also with what `experiments.train --folds=5 --fold=2 --model_dir=OUT/fold_2`
has trained. All values of a training run can be set by flags, as for
experiments.train; --config=auto plans --time_budget_hours for each fold.

    python -m experiments.segment --model=OUT --input=SCAN --output=LABEL

segments by the mean of all folds.
"""

import os

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.runs.folds.cross_validation import (
    DEFAULT_FOLDS,
    RESULTS,
    cross_validate,
)
from tf_diffseg.runs.folds.run_data import fold_dir
from tf_diffseg.runs.training_exit import exit_code

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for the runs of all folds and the results."
)
_NUM_DEVICES = flags.DEFINE_integer(
    "num_devices", None, "How many GPUs of this machine train; all without the flag."
)
_VIEWER_MB = flags.DEFINE_float(
    "viewer_mb",
    60.0,
    "How much of report.html the volumes for its viewer may take; the worst cases "
    "come first.",
    lower_bound=0.0,
)
flags.mark_flags_as_required(["data_dir", "output_dir"])
config_flags.define_config_flags()


def main(argv):
    """Trains, scores and reports what is not done; returns the exit code."""
    del argv
    if flags.FLAGS["fold"].present:
        raise InputError("--fold: all folds are trained; experiments.train trains one")
    return exit_code(_cross_validate)


def _cross_validate():
    data_dir, output_dir = _DATA_DIR.value, _OUTPUT_DIR.value
    num_devices = _NUM_DEVICES.value
    config, chosen = config_flags.chosen_config(
        data_dir,
        fold_dir(output_dir, 0),
        num_devices,
        folds=flags.FLAGS["folds"].value or DEFAULT_FOLDS,
        fold=0,
    )
    if chosen:
        print(f"chosen for {chosen.dataset}:\n{chosen.table()}", flush=True)
    summary = cross_validate(
        config,
        data_dir,
        output_dir,
        num_devices,
        config_flags.MEMORY_GIB.value,
        _VIEWER_MB.value,
    )
    from tf_diffseg.reports.fold_report import tables

    print(tables(summary))
    results = os.path.join(output_dir, RESULTS)
    print(f"results: {results}, and {os.path.join(results, 'report.html')}")


if __name__ == "__main__":
    command_line.run(main)
