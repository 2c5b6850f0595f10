"""Estimated beside measured memory of planned training steps.

    python -m experiments.benchmark --suite=plan_memory --memory_gib=8

Draws data sets as `tests` of the plans do, plans each for a budget of 2 GiB up to
--memory_gib, and runs two steps of the plan in a process of its own.
"""

import json
import subprocess
import sys

import numpy as np

from tf_diffseg.data.manifest import Manifest, Split
from tf_diffseg.module_process import module_command
from tf_diffseg.runs.planning.recommender import Recommender
from tf_diffseg.runs.planning.step_memory import step_gib
from tf_diffseg.text_table import markdown_table

_NUMBER = 12
_LEAST_GIB = 2.0


def run(memory_gib, number=_NUMBER):
    """Prints a table of all plans; returns the largest share that a step took.

    Args:
        memory_gib: largest budget; the smallest is 2 GiB.
        number: how many data sets.
    """
    rng = np.random.default_rng(0)
    rows = [
        [
            "volume",
            "mm",
            "channels, classes",
            "budget",
            "patch",
            "batch",
            "resolutions",
            "estimate",
            "peak",
            "peak / budget",
        ]
    ]
    shares = []
    for budget in np.geomspace(_LEAST_GIB, memory_gib, number):
        manifest = _drawn_manifest(rng)
        recommender = Recommender(manifest, float(budget), {"precision": "float32"})
        recommender.choose_network()
        config = recommender.config
        counts = manifest.num_classes, manifest.num_channels
        estimate, peak = step_gib(config, *counts), _peak_gib(config, *counts)
        shares.append(peak / budget)
        extent_mm = manifest.fingerprint["extent_mm"]["median"]
        spacing_mm = manifest.fingerprint["spacing_mm"]["median"]
        voxels = [round(mm / by) for mm, by in zip(extent_mm, spacing_mm, strict=True)]
        batch = f"{config.batch_size}"
        if config.accumulation_steps > 1:
            batch += f" in {config.accumulation_steps} parts"
        rows.append(
            [
                _times(voxels),
                _times(spacing_mm),
                f"{counts[1]}, {counts[0]}",
                f"{budget:.2f}",
                _times(config.patch_shape),
                batch,
                f"{len(config.num_channels)}",
                f"{estimate:.2f}",
                f"{peak:.2f}",
                f"{peak / budget:.2f}",
            ]
        )
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    print(markdown_table(rows))
    return {"plans": number, "largest_peak_over_budget": max(shares)}


def _drawn_manifest(rng):
    """20 to 400 voxels an axis, 0.3 to 10 mm, 1 to 4 channels, 2 to 21 classes."""
    shape = np.exp(rng.uniform(*np.log([20, 400]), 3)).astype(int)
    spacing_mm = np.exp(rng.uniform(*np.log([0.3, 10.0]), 3)).round(2)
    num_classes, num_channels = int(rng.integers(2, 22)), int(rng.integers(1, 5))
    fingerprint = {
        "spacing_mm": {"median": spacing_mm.tolist()},
        "extent_mm": {"median": (shape * spacing_mm).tolist()},
    }
    return planned_manifest(fingerprint, num_classes, num_channels)


def planned_manifest(
    fingerprint, num_classes, num_channels, num_cases=40, preprocessing=None
):
    """A `Manifest` of as much as plans go by."""
    return Manifest(
        dataset="drawn",
        modality="MRI",
        license="",
        class_names=[f"class_{index}" for index in range(num_classes)],
        label_values=list(range(num_classes)),
        channel_names=[f"channel_{index}" for index in range(num_channels)],
        preprocessing=preprocessing or {"spacing_mm": None, "volume_shape": None},
        splits={"train": Split([f"case_{i}" for i in range(num_cases)], [], {})},
        fingerprint=fingerprint,
    )


def _peak_gib(config, num_classes, image_channels):
    command = module_command(
        "experiments.benchmarks.plan_process",
        config.to_json(),
        str(num_classes),
        str(image_channels),
    )
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout
    return json.loads(output.splitlines()[-1])["peak_gib"]


def _times(sizes):
    return "x".join(map(str, sizes))
