"""A process in which MONAI augments, so that its threads are not TensorFlow's."""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np


class MonaiProcess:
    """MONAI's transforms on cases that it holds in memory; a context manager.

    Args:
        cases: dict of `image` float [n, x, y, z, channels] and `label` [n, x, y, z].
        num_workers: processes that augment beside the one that asks; with 0 that one
            augments. Each has one thread, as MONAI and PyTorch advise for workers.
    """

    def __init__(self, cases, num_workers):
        self._cases = cases
        self._num_workers = num_workers

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._folder.name) / "cases.npz"
        np.savez(
            path,
            image=np.moveaxis(self._cases["image"], -1, 1),
            label=self._cases["label"][:, np.newaxis],
        )
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "experiments.benchmarks.monai_transforms",
                str(path),
                str(self._num_workers),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def timed_run(self, num_examples):
        """Lets it augment examples.

        Args:
            num_examples: how many.

        Returns:
            (seconds, processor seconds outside of workers) of one.
        """
        self._process.stdin.write(f"{num_examples}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        seconds, cpu_seconds = (float(value) for value in line.split())
        return seconds / num_examples, cpu_seconds / num_examples

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()
