"""A process in which MONAI augments, so that its threads are not TensorFlow's."""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from tf_diffseg.data.input_pipeline import evaluation_dataset

_NUM_CASES = 32


class MonaiProcess:
    """MONAI's transforms on cases that it holds in memory; a context manager.

    Args:
        shards: `example_shards.ExampleShards`.
        num_workers: processes that augment beside the one that asks; with 0 that one
            augments. Each has one thread, as MONAI and PyTorch advise for workers.
    """

    def __init__(self, shards, num_workers):
        self._shards = shards
        self._num_workers = num_workers

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._folder.name) / "cases.npz"
        cases = list(
            evaluation_dataset(self._shards.paths, ("image", "label")).take(_NUM_CASES)
        )
        np.savez(
            path,
            image=np.stack([np.moveaxis(case["image"], -1, 0) for case in cases]),
            label=np.stack([case["label"][np.newaxis] for case in cases]),
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
            text=True,
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
