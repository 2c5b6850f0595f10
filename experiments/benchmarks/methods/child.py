"""Prepares, trains and segments with one method; goes on where it was stopped.

    python -m experiments.benchmarks.methods.child FOLDER

FOLDER has `job.json`. What is done stays as FOLDER/prepare.json, train.json and
predict.json, with their seconds, and `labels`. It must run where TensorFlow is not.
"""

import functools
import importlib
import importlib.metadata
import os
import pathlib
import shutil
import sys
import time

from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json

_SECONDS_BETWEEN_LINES = 30.0


class Clock:
    """Tells a method how much of its time for training is gone, and prints it.

    Attributes:
        steps: number of steps so far.
        seconds: from the start to the end of the last step.
    """

    def __init__(self, name, minutes):
        self._name = name
        self._limit = 60.0 * minutes
        self._began = self._last_line = None
        self._losses = []
        self.steps = 0
        self.seconds = 0.0

    def start(self):
        """Starts the time, just before the first step."""
        self._began = self._last_line = time.perf_counter()

    @property
    def share(self):
        """Share of the time that is gone, from 0 to 1."""
        return min(1.0, (time.perf_counter() - self._began) / self._limit)

    @property
    def is_over(self):
        """Whether no other step may begin."""
        return self.share >= 1.0

    def step(self, loss):
        """Counts a step that is done."""
        self.steps += 1
        self._losses.append(float(loss))
        now = time.perf_counter()
        self.seconds = now - self._began
        if self.steps == 1 or now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._print()

    def results(self):
        """The figures of the training; prints the last line."""
        if self._losses:
            self._print()
        return {"steps": self.steps, "training_seconds": self.seconds}

    def _print(self):
        mean, left = sum(self._losses) / len(self._losses), self._limit - self.seconds
        self._losses = []
        print(
            f"{self._name}: step {self.steps}, loss {mean:.4f}, "
            f"{max(0.0, left) / 60:.1f} minutes left",
            flush=True,
        )


def run(folder):
    """Does all stages of the job in a folder that are not done."""
    folder = pathlib.Path(folder).resolve()
    job = read_json(folder / "job.json")
    name = job["method"]
    method = importlib.import_module(f".{job['module']}", __package__)
    packages = {each: importlib.metadata.version(each) for each in job["packages"]}
    write_json(folder / "versions.json", {"python": sys.version.split()[0], **packages})
    _stage(folder, name, "prepare", functools.partial(method.prepare, job, folder))
    _stage(folder, name, "train", functools.partial(_train, method, job, folder))
    _stage(folder, name, "predict", functools.partial(_predict, method, job, folder))


def _stage(folder, name, stage, work):
    path = folder / f"{stage}.json"
    if path.is_file():
        print(f"{name}: {stage} is done", flush=True)
        return
    print(f"{name}: {stage}", flush=True)
    began = time.perf_counter()
    found = work() or {}
    write_json(path, {"seconds": time.perf_counter() - began, **found})


def _train(method, job, folder):
    clock = Clock(job["method"], job["minutes"])
    found = method.train(job, folder, clock) or {}
    return {**clock.results(), **found}


def _predict(method, job, folder):
    labels, unfinished = folder / "labels", folder / "unfinished_labels"
    for leftover in (labels, unfinished):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir()
    method.predict(job, folder, unfinished)
    names = [f"{case['uid']}.nii.gz" for case in job["test"]]
    missing = [name for name in names if not (unfinished / name).is_file()]
    if missing:
        raise RuntimeError(f"{job['method']} wrote no {', '.join(missing)}")
    os.replace(unfinished, labels)


if __name__ == "__main__":
    run(sys.argv[1])
