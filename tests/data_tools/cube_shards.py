"""Makes shards of a small data set of cubes."""

import json

import nibabel as nib
import numpy as np

from tests.data_tools.in_process import convert_here

SHAPE = (8, 8, 8)


def cube_shards(folder, shards, split, num_cases, num_channels=1, shapes=(SHAPE,)):
    """Writes volumes with a cube in the middle, in noise, and converts them.

    Args:
        folder: folder to write the data set into.
        shards: folder to convert into.
        split: dict from the name of a split to its fraction of the cases.
        num_cases: number of cases.
        num_channels: number of channels of each image.
        shapes: shapes that the cases take in turn.

    Returns:
        `shards`.
    """
    root = folder / "Dataset001_Cube"
    rng = np.random.default_rng(0)
    for index in range(num_cases):
        label = np.zeros(shapes[index % len(shapes)], np.uint8)
        label[2:6, 2:6, 2:6] = 1
        for channel in range(num_channels):
            image = (label + rng.normal(scale=0.1, size=label.shape)).astype(np.float32)
            _save(root / "imagesTr" / f"case{index}_{channel:04}.nii.gz", image)
        _save(root / "labelsTr" / f"case{index}.nii.gz", label)
    fields = {
        "channel_names": {str(i): f"T{i + 1}" for i in range(num_channels)},
        "labels": {"background": 0, "cube": 1},
        "numTraining": num_cases,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(fields))
    convert_here(root, shards, split)
    return shards


def _save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
