"""A process in which MONAI augments, so that its threads are not TensorFlow's."""

import contextlib
import pathlib
import subprocess
import tempfile

import numpy as np

from tf_diffseg.module_process import module_command


@contextlib.contextmanager
def timed_monai(cases, num_workers):
    """Runs MONAI's transforms on cases that it holds in memory.

    Args:
        cases: dict of `image` float [n, x, y, z, channels] and `label` [n, x, y, z].
        num_workers: number of processes that augment; with 0, the process that asks for
            examples augments. Each has one thread, as MONAI and PyTorch advise.

    Yields:
        Function from a number of examples to (seconds, processor seconds outside of
        workers) per example.
    """
    module = "experiments.benchmarks.monai_transforms"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cases.npz"
        image, label = np.moveaxis(cases["image"], -1, 1), cases["label"][:, np.newaxis]
        np.savez(path, image=image, label=label)
        with subprocess.Popen(
            module_command(module, str(path), str(num_workers)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ) as process:

            def timed_run(num_examples):
                process.stdin.write(f"{num_examples}\n")
                process.stdin.flush()
                seconds = map(float, process.stdout.readline().split())
                return tuple(value / num_examples for value in seconds)

            yield timed_run
