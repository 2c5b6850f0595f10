r"""Trains tf_diffseg, nnU-Net v2 and MONAI for equal minutes, and scores all alike.

    python -m experiments.benchmarks.side_by_side --output_dir=OUT --minutes=20 \
        --dataset_json=Task04_Hippocampus/dataset.json --split_file=split.json \
        --fold=0 --config=hippocampus_hub --other_python=VENV/bin/python

VENV is an environment of its own with `pip install nnunetv2 monai`. Each method trains
on the split train in a process of its own, one after the other, on all cores that this
process may use; nothing is chosen on the split validation, whose cases are then
segmented and scored. Only training counts: preparing (conversion, plans, reading) and
predicting are told apart. Called again, it goes on where it stopped: stages that are
done, by OUT/METHOD, are not run again.

Writes OUT/comparison.md, .json and .png, and OUT/METHOD/labels/UID.nii.gz.
"""

import sys

from absl import flags

from data_tools.flags.dataset_flags import dataset_of_flags, split_by_flags
from experiments.benchmarks.methods import jobs
from experiments.flags.config_file import load_config
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.whole_files import alone_in

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of runs and results.")
_MINUTES = flags.DEFINE_float("minutes", None, "Minutes of training of each method.")
_METHODS = flags.DEFINE_list(
    "methods", list(jobs.PACKAGES), "What to compare, in turn."
)
_CONFIG = flags.DEFINE_string("config", "hippocampus_hub", "Config of tf_diffseg.")
_VOLUME_SHAPE = flags.DEFINE_string(
    "volume_shape", "40,56,40", "Voxels of a volume of ours, and of a patch of MONAI."
)
_OTHER_PYTHON = flags.DEFINE_string(
    "other_python", None, "Python that has nnunetv2 and monai."
)
flags.mark_flags_as_required(["output_dir", "minutes"])


def main(argv):
    """Checks the flags, runs what is not done, scores; returns the exit code."""
    del argv
    folder = output_folder("output_dir", _OUTPUT_DIR.value)
    all_jobs = _checked_jobs()
    with alone_in("output_dir", folder):
        for name, job in all_jobs.items():
            jobs.begin(job, folder / name)
        failed = [name for name in all_jobs if not _run(folder / name, name)]
        done = {name: job for name, job in all_jobs.items() if name not in failed}
        if done:
            _compare(folder, done)
    for name in failed:
        print(f"error: {name} failed, see above", file=sys.stderr)
    return 1 if failed else 0


def _checked_jobs():
    methods = [name for name in jobs.PACKAGES if name in _METHODS.value]
    unknown = sorted(set(_METHODS.value) - set(methods))
    if unknown or not methods:
        raise InputError(
            f"--methods={','.join(_METHODS.value)}: expected some of "
            f"{', '.join(jobs.PACKAGES)}"
        )
    if not 0.0 < _MINUTES.value < float("inf"):
        raise InputError(f"--minutes={_MINUTES.value}: expected more than 0")
    shape = command_line.parse_numbers("volume_shape", _VOLUME_SHAPE.value, 3, int)
    config = load_config(_CONFIG.value)
    dataset = split_by_flags(dataset_of_flags())
    made = jobs.make_jobs(dataset, config, methods, _MINUTES.value, shape)
    jobs.check_python(_OTHER_PYTHON.value, methods)
    return made


def _run(folder, name):
    """Whether a method is done in the end."""
    if jobs.is_done(folder):
        print(f"{name}: done", flush=True)
        return True
    python = None if name == jobs.OURS else _OTHER_PYTHON.value
    return jobs.run_job(folder, python) == 0 and jobs.is_done(folder)


def _compare(folder, done):
    from experiments.benchmarks.methods import scores

    results = {name: jobs.read_results(folder / name) for name in done}
    compared = scores.comparison(folder, done, results)
    scores.write(folder, compared, next(iter(done.values())))
    print(scores.table(compared))
    print(f"comparison: {folder}")


if __name__ == "__main__":
    command_line.run(main)
