"""Data sets of many kinds, as manifests with a fingerprint alone."""

import numpy as np

from tf_diffseg.data.manifest import Manifest, Split


def manifest_of(
    shape,
    spacing_mm,
    num_channels=1,
    num_classes=2,
    num_cases=40,
    class_names=None,
    volume_shape=None,
    class_ml=None,
    bright_shape=None,
):
    """A manifest whose cases all have one shape and one spacing.

    The classes have `class_ml` each, or no known volume. With `bright_shape` the cases
    were cropped to it.
    """
    bright_mm = np.multiply(bright_shape or shape, spacing_mm).tolist()
    names = class_names or [f"class_{index}" for index in range(1, num_classes)]
    extent_mm = [size * mm for size, mm in zip(shape, spacing_mm, strict=True)]
    uids = [f"case_{index}" for index in range(num_cases)]
    return Manifest(
        dataset="drawn",
        modality="MRI",
        license="CC0",
        class_names=["background", *names],
        label_values=list(range(len(names) + 1)),
        channel_names=[f"channel_{index}" for index in range(num_channels)],
        preprocessing={
            "spacing_mm": None,
            "volume_shape": volume_shape,
            "crop_to_foreground": bright_shape is not None,
        },
        splits={"train": Split(uids, [], {})},
        fingerprint={
            "spacing_mm": {"median": list(spacing_mm)},
            "extent_mm": {"median": extent_mm},
            "bright_mm": {"median": bright_mm},
            "class_ml": [class_ml and {"median": class_ml}] * (1 + len(names)),
        },
    )


def drawn_values(number, seed=0):
    """Values of `manifest_of` and a budget, drawn over all that people have.

    Shapes have 20 to 600 voxels along an axis, voxels 0.3 to 10 mm, images 1 to 4
    channels, labels 2 to 21 classes, and budgets are 2 to 64 GiB.

    Yields:
        (dict of arguments of `manifest_of`, memory_gib).
    """
    rng = np.random.default_rng(seed)
    for _ in range(number):
        values = {
            "shape": tuple(np.exp(rng.uniform(*np.log([20, 600]), 3)).astype(int)),
            "spacing_mm": tuple(np.exp(rng.uniform(*np.log([0.3, 10.0]), 3)).round(2)),
            "num_channels": int(rng.integers(1, 5)),
            "num_classes": int(rng.integers(2, 22)),
        }
        yield values, float(np.exp(rng.uniform(*np.log([2.0, 64.0]))))
