"""The jobs of the compared methods, checked before any work, and their processes."""

import json
import os
import pathlib
import subprocess
import sys

from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json, write_text

OURS = "tf_diffseg"
# The packages of each method, whose versions the results tell.
PACKAGES = {
    OURS: ("tensorflow", "keras"),
    "nnunet": ("nnunetv2", "torch"),
    "monai": ("monai", "torch"),
    "monai_x_start": ("monai", "torch"),
}
_MODULES = {"monai_x_start": "monai"}
_STAGES = ("prepare", "train", "predict")
_CHILD = "experiments.benchmarks.methods.child"
_ROOT = pathlib.Path(__file__).absolute().parents[3]
# Our modules come after all others, so that our packages hide none of another Python.
_RUN_CHILD = """
import runpy, sys
root, module = sys.argv[1:3]
sys.path.append(root)
sys.argv[1:] = sys.argv[3:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
_FIND_PACKAGES = """
import importlib.util, sys
print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])
"""


def check_python(python, methods):
    """Raises InputError unless the other methods' Python starts and has packages."""
    names = [name for method in methods if method != OURS for name in PACKAGES[method]]
    if not names:
        return
    if not python:
        raise InputError(
            f"other_python is missing: expected a Python with {', '.join(names)}",
            argument="other_python",
        )
    try:
        found = subprocess.run(
            [python, "-c", _FIND_PACKAGES, *dict.fromkeys(names)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"other_python={python} is no Python that starts: {error}",
            argument="other_python",
        ) from error
    missing = found.stdout.split()
    if missing:
        raise InputError(
            f"other_python={python} does not have {', '.join(missing)}; "
            "`pip install nnunetv2 monai` in its environment brings all",
            argument="other_python",
        )


def make_jobs(dataset, config, methods, minutes, volume_shape):
    """Makes the job of each method.

    Args:
        dataset: `Dataset` whose cases have their splits; those of `validation` are the
            test cases.
        config: `TrainConfig` of ours.
        methods: names of `PACKAGES`.
        minutes: of training.
        volume_shape: (x, y, z) voxels, the grid of ours and the patches of MONAI.

    Returns:
        Dict from the name of a method to a JSON-able dict.

    Raises:
        InputError: the data are not of the kind that all methods take.
    """
    if dataset.label_values != list(range(len(dataset.class_names))):
        raise _refusal(dataset, f"has the label values {dataset.label_values}")
    if dataset.regions or dataset.ignore_label is not None:
        raise _refusal(dataset, "has regions or an ignore label")
    if len(dataset.channel_names) > 1:
        raise _refusal(dataset, f"has {len(dataset.channel_names)} channels")
    if not str(dataset.path).endswith(".json"):
        raise _refusal(dataset, "is no dataset.json")
    cases = {"train": [], "validation": []}
    for case in dataset.cases:
        paths = {"image": case.image_paths[0], "label": case.label_path}
        if not all(str(path).endswith(".nii.gz") for path in paths.values()):
            raise _refusal(dataset, f"has the files {', '.join(paths.values())}")
        found = {name: os.path.abspath(path) for name, path in paths.items()}
        if case.split not in cases:
            raise _refusal(dataset, f"has cases in the split {case.split}")
        cases[case.split].append({"uid": case.uid, **found})
    for split in ("train", "validation"):
        if not cases[split]:
            raise _refusal(dataset, f"has no case in the split {split}")
    common = {
        "minutes": minutes,
        "cores": len(os.sched_getaffinity(0)),
        "seed": config.seed,
        "precision": config.precision,
        "volume_shape": list(volume_shape),
        "dataset": os.path.abspath(dataset.path),
        "class_names": list(dataset.class_names),
        "channel_name": dataset.channel_names[0],
        "train": cases["train"],
        "test": cases["validation"],
    }
    jobs = {
        name: {
            "method": name,
            "module": f"{_MODULES.get(name, name)}_method",
            "packages": list(PACKAGES[name]),
            **common,
        }
        for name in methods
    }
    if OURS in jobs:
        jobs[OURS]["config"] = json.loads(config.to_json())
    return jobs


def _refusal(dataset, what):
    return InputError(
        f"{dataset.path} {what}; expected a dataset.json with one channel, classes "
        "with the label values 0, 1, 2 and so on, .nii.gz files, and the splits train "
        "and validation alone, as `split_file` gives them"
    )


def begin(job, folder):
    """Writes the job into the folder of its method.

    Raises:
        InputError: the folder was begun with another job.
    """
    path = folder / "job.json"
    if path.is_file():
        before = read_json(path)
        changed = [name for name in job if before.get(name) != job[name]]
        if changed:
            raise InputError(
                f"output_dir: {folder} was begun with other values of "
                f"{', '.join(changed)}; name another folder",
                argument="output_dir",
            )
    if "config" in job:
        write_text(folder / "config.json", json.dumps(job["config"]))
    splits = (("train", "train"), ("val", "test"))
    uids = {split: [case["uid"] for case in job[name]] for split, name in splits}
    write_json(folder / "split.json", uids)
    write_json(path, job, indent=2)


def is_done(folder):
    """Whether the label maps of a method are whole, and all its figures there."""
    names = [*(f"{stage}.json" for stage in _STAGES), "versions.json"]
    return (folder / "labels").is_dir() and all((folder / n).is_file() for n in names)


def run_job(folder, python):
    """Runs the child process of a method to its end; returns its exit code.

    An error here, such as an interrupt, ends it; it goes on when it is run again.
    """
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [python or sys.executable, "-c", _RUN_CHILD, str(_ROOT), _CHILD]
    return subprocess.run([*command, str(folder)], env=environment).returncode


def read_results(folder):
    """What a method that is done took: seconds, steps, settings and versions."""
    prepared, trained, predicted = (read_json(folder / f"{s}.json") for s in _STAGES)
    return {
        "steps": trained["steps"],
        "training_seconds": trained["training_seconds"],
        "preparing_seconds": prepared["seconds"]
        + trained["seconds"]
        - trained["training_seconds"],
        "predicting_seconds": predicted["seconds"],
        "settings": prepared.get("settings", {}) | trained.get("settings", {}),
        "versions": read_json(folder / "versions.json"),
    }
