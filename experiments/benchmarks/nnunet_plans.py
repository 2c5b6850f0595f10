r"""Plans for six data sets beside those of nnU-Net v2.

    python -m experiments.benchmarks.nnunet_plans --nnunet_python=VENV/bin/python \
        --data_dir=../shared/data --memory_gib=8

VENV is an environment of its own with `pip install nnunetv2`. Its planner for
`3d_fullres` gets the shapes and spacings of the cases; axes are printed as x, y, z.
"""

import glob
import pathlib

import nibabel as nib
import numpy as np
from absl import flags

from data_tools.conversion.preprocessing_choice import auto_spacing, auto_volume_shape
from experiments.benchmarks.nnunet_process import Cases, nnunet_plan
from experiments.benchmarks.plan_memory import planned_manifest
from tf_diffseg import command_line
from tf_diffseg.runs.planning.recommender import Recommender
from tf_diffseg.text_table import markdown_table

_NNUNET_PYTHON = flags.DEFINE_string(
    "nnunet_python", None, "Python that has nnunetv2 installed.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Folder of Task04_Hippocampus and SoftTissueSarcoma_MR, whose headers are read; "
    "without it these two are left out.",
)
_MEMORY_GIB = flags.DEFINE_float("memory_gib", 8.0, "Memory of both planners.")


def _published():
    """Data sets of which we know the median case; see docs/results.md for sources."""

    def alike(name, shape, spacing_mm, *counts):
        return Cases(name, np.array([shape]), np.array([spacing_mm]), *counts)

    # The extent along z is that of the median case.
    z_mm = np.array([1.25, 2.0, 2.0, *[5.0] * 7])
    sizes = np.round(103 * 5.0 / z_mm).astype(int)
    yield Cases(
        "AMOS 2022",
        np.stack([[512, 512, size] for size in sizes]),
        np.stack([[0.713, 0.713, mm] for mm in z_mm]),
        1,
        16,
        240,
    )
    yield alike("BraTS 2021", (240, 240, 155), (1.0, 1.0, 1.0), 4, 4, 1251)
    yield alike("Task05 prostate", (320, 320, 20), (0.62, 0.62, 3.6), 2, 3, 32)
    yield alike("heart", (237, 208, 10), (1.5, 1.5, 10.0), 1, 4, 200)


def _from_headers(name, pattern, num_classes):
    images = [nib.load(path) for path in sorted(glob.glob(pattern))]
    shapes = np.array([image.shape for image in images])
    spacings_mm = np.array([image.header.get_zooms() for image in images], float)
    return Cases(name, shapes, spacings_mm, 1, num_classes, len(images))


def own_plan(cases, memory_gib):
    """Plans as `--config=auto` does after a conversion with `auto`.

    Args:
        cases: `Cases`.
        memory_gib: memory of the training process.

    Returns:
        List as from `nnunet_plan`.
    """
    extents_mm = cases.shapes * cases.spacings_mm
    fingerprint = {
        "shape": {"max": cases.shapes.max(axis=0).tolist()},
        "spacing_mm": {
            "median": np.median(cases.spacings_mm, axis=0).tolist(),
            "percentile_10": np.percentile(cases.spacings_mm, 10, axis=0).tolist(),
        },
        "extent_mm": {
            "median": np.median(extents_mm, axis=0).tolist(),
            "max": extents_mm.max(axis=0).tolist(),
        },
    }
    spacing_mm = auto_spacing(fingerprint)
    shape = auto_volume_shape(fingerprint, spacing_mm)
    manifest = planned_manifest(
        fingerprint,
        cases.num_classes,
        cases.num_channels,
        cases.num_cases,
        {"spacing_mm": spacing_mm, "volume_shape": shape},
    )
    recommender = Recommender(manifest, memory_gib, {"precision": "float32"})
    recommender.choose_network()
    config = recommender.config
    levels = len(config.num_channels)
    return [
        spacing_mm,
        config.patch_shape,
        config.batch_size,
        _rows(config.scale_factor, levels - 1),
        _rows(config.kernel_size, levels),
    ]


def _rows(value, number):
    return value if isinstance(value[0], tuple) else [value] * number


def _cells(plan):
    spacing_mm, patch, batch, *levels = plan
    return [
        "x".join(f"{mm:.3g}" for mm in spacing_mm),
        "x".join(map(str, patch)),
        str(batch),
        *(" ".join("".join(map(str, row)) for row in rows) for rows in levels),
    ]


def main(argv):
    """Prints the table."""
    del argv
    data = list(_published())
    if _DATA_DIR.value:
        folder = pathlib.Path(_DATA_DIR.value)
        hippocampus = folder / "Task04_Hippocampus" / "imagesTr" / "[!.]*.nii.gz"
        sarcoma = folder / "SoftTissueSarcoma_MR" / "images" / "*.nii.gz"
        data = [
            _from_headers("Task04 Hippocampus", str(hippocampus), 3),
            _from_headers("sarcoma MR", str(sarcoma), 2),
            *data,
        ]
    titles = ["data", "planner", "mm", "patch", "batch", "pooling", "kernels"]
    rows = [titles]
    for cases in data:
        version, plan = nnunet_plan(cases, _NNUNET_PYTHON.value, _MEMORY_GIB.value)
        rows.append([cases.name, f"nnU-Net {version}", *_cells(plan)])
        rows.append(["", "ours", *_cells(own_plan(cases, _MEMORY_GIB.value))])
    print(markdown_table(rows))


if __name__ == "__main__":
    command_line.run(main)
