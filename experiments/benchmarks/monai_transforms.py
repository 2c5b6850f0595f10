"""MONAI's equivalent of our augmentation, timed on demand.

    python -m experiments.benchmarks.monai_transforms CASES.npz NUM_WORKERS

This reads numbers of examples from standard input, and for each prints the seconds that
so many examples take.

MONAI runs at its fastest: its cases wait in memory as tensors, it does not track
metadata, and it makes the grid of all cases once.
"""

import itertools
import math
import sys
import time

import numpy as np
import torch
from monai.data import Dataset, set_track_meta
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
)
from torch.utils.data import DataLoader, RandomSampler

_BOTH = ["image", "label"]


def transforms(shape):
    """The transforms of `input_pipeline.COMPARED`, for volumes of shape (x, y, z)."""
    angle = math.radians(15.0)
    return Compose(
        [
            RandAffined(
                keys=_BOTH,
                prob=1.0,
                rotate_range=[(-angle, angle)] * 3,
                scale_range=[(-0.13, 0.15)] * 3,
                shear_range=[(-0.05, 0.05)] * 3,
                translate_range=[(-2.0, 2.0)] * 3,
                mode=("bilinear", "nearest"),
                padding_mode="zeros",
                spatial_size=shape,
                cache_grid=True,
            ),
            RandFlipd(keys=_BOTH, prob=0.5, spatial_axis=0),
            # Ours keeps mean and standard deviation, so this must too.
            RandAdjustContrastd(
                keys="image", prob=1.0, gamma=(1 / 1.4, 1.4), retain_stats=True
            ),
            RandGaussianNoised(keys="image", prob=1.0, std=0.2),
        ]
    )


def main(path, num_workers):
    """Serves until standard input ends."""
    torch.set_num_threads(1)
    set_track_meta(False)
    arrays = np.load(path)
    # MONAI resamples labels as floats too.
    images, labels = (torch.from_numpy(arrays[key]).float() for key in _BOTH)
    cases = [
        {"image": image, "label": label}
        for image, label in zip(images, labels, strict=True)
    ]
    dataset = Dataset(cases, transforms(images.shape[2:]))
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=RandomSampler(dataset, replacement=True, num_samples=1 << 30),
        num_workers=num_workers,
    )
    batches = iter(loader)
    next(batches)
    for line in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        for _ in itertools.islice(batches, int(line) // 2):
            pass
        cpu_seconds = time.process_time() - cpu_started
        print(time.perf_counter() - started, cpu_seconds, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
