"""nnU-Net's planner, run by the Python of an environment that has nnunetv2."""

import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

_DATASET = "Dataset001_cases"
_CODE = """
import importlib.metadata, sys
from nnunetv2.experiment_planning.experiment_planners import default_experiment_planner
planner = default_experiment_planner.ExperimentPlanner(1, float(sys.argv[1]))
planner.plan_experiment()
print(importlib.metadata.version("nnunetv2"))
"""


@dataclasses.dataclass(frozen=True)
class Cases:
    """The cases of a data set.

    Attributes:
        name: of the data set.
        shapes: (n, 3) voxels, axes x, y, z; one row may stand for all cases.
        spacings_mm: (n, 3).
        num_channels: of the images.
        num_classes: with background.
        num_cases: to train on.
    """

    name: str
    shapes: np.ndarray
    spacings_mm: np.ndarray
    num_channels: int
    num_classes: int
    num_cases: int


def nnunet_plan(cases, python, memory_gib):
    """Plans the configuration `3d_fullres`.

    Args:
        cases: `Cases`.
        python: path of a Python with nnunetv2.
        memory_gib: memory of the GPU.

    Returns:
        (version of nnunetv2, [spacing in mm, patch, batch, factors from each resolution
        to the next, kernels of each resolution]), axes x, y, z.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_description(folder, cases)
        printed = subprocess.run(
            [python, "-c", _CODE, str(memory_gib)],
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | _variables(folder),
        ).stdout
        path = pathlib.Path(folder, "preprocessed", _DATASET, "nnUNetPlans.json")
        plans = json.loads(path.read_text(encoding="utf-8"))
    plan = plans["configurations"]["3d_fullres"]
    # Places of x, y and z among the planned axes: z, y and x in another order.
    axes = [plans["transpose_forward"].index(axis) for axis in (2, 1, 0)]
    network = plan["architecture"]["arch_kwargs"]
    return printed.split()[-1], [
        [plan["spacing"][axis] for axis in axes],
        [plan["patch_size"][axis] for axis in axes],
        plan["batch_size"],
        [[factor[axis] for axis in axes] for factor in network["strides"][1:]],
        [[size[axis] for axis in axes] for size in network["kernel_sizes"]],
    ]


def _variables(folder):
    kinds = ("raw", "preprocessed", "results")
    return {f"nnUNet_{kind}": os.path.join(folder, kind) for kind in kinds}


def _write_description(folder, cases):
    """Writes what the planner reads: no image is needed."""
    dataset = {
        "channel_names": {str(i): "MRI" for i in range(cases.num_channels)},
        "labels": {str(i): i for i in range(cases.num_classes)},
        "numTraining": cases.num_cases,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "dataset": {"case": {"label": "label", "images": ["image"]}},
    }
    fingerprint = {
        "spacings": cases.spacings_mm[:, ::-1].tolist(),
        "shapes_after_crop": cases.shapes[:, ::-1].tolist(),
        "foreground_intensity_properties_per_channel": {},
        "median_relative_size_after_cropping": 1.0,
    }
    for kind, name, content in (
        ("raw", "dataset.json", dataset),
        ("preprocessed", "dataset_fingerprint.json", fingerprint),
    ):
        path = pathlib.Path(folder, kind, _DATASET, name)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content), encoding="utf-8")
