"""The time to convert whole cases, over the time just to read their files."""

import pathlib
import tempfile
import time

import nibabel as nib
import numpy as np
from scipy import ndimage

from data_tools.conversion.converter import Options, convert
from data_tools.conversion.preprocessing_choice import Choice
from data_tools.conversion.worker_pool import WorkerPool
from data_tools.datasets.dataset import Case, Dataset
from data_tools.phantoms import phantom
from experiments.benchmarks.peak_memory import peak_bytes
from experiments.benchmarks.timing import interleaved_medians

VOLUME_SHAPE = (192, 192, 128)
NUM_CASES = 8
_SMALL_SHAPE = (16, 16, 16)


def run(repeats):
    """Times conversion without resampling and measures a worker's memory.

    The clock starts when workers have started and converted a small case. `ratio` is
    the time of a conversion, to the finished folder, over the time to read and
    decompress the same files in the same workers; `peak_memory_ratio` is the rise of
    one worker's peak memory after the small case, over a volume's size in float32.
    """
    figures = {"volume": "x".join(map(str, VOLUME_SHAPE)), "cases": NUM_CASES}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        small = _write_cases(folder / "small", 2, _SMALL_SHAPE)
        large = _write_cases(folder / "large", NUM_CASES, VOLUME_SHAPE)
        for num_workers in (1, 2):
            with WorkerPool(num_workers) as pool:
                _convert(small, folder / "out", pool)
                _read_all(pool, small.cases)
                before = max(pool.run(_peak_bytes, [None] * num_workers))
                functions = {
                    "read": lambda pool=pool: _read_all(pool, large.cases),
                    "convert": lambda pool=pool: _convert(large, folder / "out", pool),
                }
                seconds = interleaved_medians(functions, repeats, num_warm_ups=0)
                after = max(pool.run(_peak_bytes, [None] * num_workers))
            name = f"{num_workers}_workers" if num_workers > 1 else "1_worker"
            figures[f"read_s_per_case_{name}"] = seconds["read"] / NUM_CASES
            figures[f"convert_s_per_case_{name}"] = seconds["convert"] / NUM_CASES
            figures[f"ratio_{name}"] = seconds["convert"] / seconds["read"]
            volume_bytes = 4 * int(np.prod(VOLUME_SHAPE))
            figures[f"peak_memory_ratio_{name}"] = (after - before) / volume_bytes
    return figures


class _StartedPool:
    """Workers that outlive a conversion."""

    def __init__(self, pool):
        self.run = pool.run

    __enter__ = __exit__ = lambda *_: None


def _convert(dataset, output_dir, pool):
    choice = Choice(channel_names=("MRI",))
    options = Options(overwrite=True)
    return convert(dataset, output_dir, choice, _StartedPool(pool), options)


def _read_all(pool, cases):
    for _ in pool.run(_read, cases):
        pass


def _read(case):
    for path in (*case.image_paths, case.label_path):
        np.asanyarray(nib.load(path).dataobj)


def _peak_bytes(_):
    time.sleep(0.2)  # So that each worker takes one.
    return peak_bytes()


def _write_cases(folder, count, shape):
    """Writes a data set of one phantom, resized to a shape, with noise in each case."""
    folder.mkdir()
    case = phantom.make_case(seed=0, index=0)
    zoom = np.divide(shape, case.image.shape)
    image = ndimage.zoom(case.image.astype(np.float32), zoom, order=1)
    label = ndimage.zoom(case.label, zoom, order=0)
    cases = []
    for index in range(count):
        rng = np.random.default_rng(index)
        noisy = np.rint(image + rng.normal(0.0, 10.0, shape)).astype(np.int16)
        paths = [str(folder / f"{name}_{index}.nii.gz") for name in ("image", "label")]
        for path, array in zip(paths, (noisy, label), strict=True):
            nib.save(nib.Nifti1Image(array, np.eye(4)), path)
        cases.append(Case(f"case_{index}", (paths[0],), paths[1], split="train"))
    return Dataset(
        path=str(folder),
        convention="no convention",
        name="benchmark",
        license="CC0",
        class_names=list(phantom.CLASS_NAMES),
        label_values=list(range(len(phantom.CLASS_NAMES))),
        channel_names=["MRI"],
        cases=cases,
    )
