"""nnU-Net's planner is called as it expects, and our plans stand beside it."""

import sys

import numpy as np

from experiments.benchmarks.nnunet_plans import own_plan
from experiments.benchmarks.nnunet_process import Cases, nnunet_plan

HEART = Cases(
    "heart", np.array([[237, 208, 10]]), np.array([[1.5, 1.6, 10.0]]), 1, 4, 200
)
# Plans one patch of the shape that it reads, the axes in an order of its own.
_STUB = f"""#!{sys.executable}
import json, os, pathlib, sys
raw, preprocessed = (pathlib.Path(os.environ["nnUNet_" + name], "Dataset001_cases")
                     for name in ("raw", "preprocessed"))
assert json.loads((raw / "dataset.json").read_text())["numTraining"] == 200
fingerprint = json.loads((preprocessed / "dataset_fingerprint.json").read_text())
order = [0, 2, 1]
shape, spacing = (fingerprint[name][0] for name in ("shapes_after_crop", "spacings"))
plan = {{
    "patch_size": [shape[axis] for axis in order],
    "spacing": [spacing[axis] for axis in order],
    "batch_size": int(float(sys.argv[3])),
    "architecture": {{"arch_kwargs": {{
        "strides": [[1, 1, 1], [1, 2, 3]], "kernel_sizes": [[1, 3, 5]]
    }}}},
}}
plans = {{"transpose_forward": order, "configurations": {{"3d_fullres": plan}}}}
(preprocessed / "nnUNetPlans.json").write_text(json.dumps(plans))
print("planned")
print("9.9")
"""


def test_axes_are_x_y_z(tmp_path):
    python = tmp_path / "python"
    python.write_text(_STUB)
    python.chmod(0o755)
    version, plan = nnunet_plan(HEART, str(python), memory_gib=8.0)
    assert version == "9.9"
    assert plan == [[1.5, 1.6, 10.0], [237, 208, 10], 8, [[2, 3, 1]], [[3, 5, 1]]]


def test_own_plan_has_as_many_kernels_as_resolutions():
    spacing_mm, patch, batch, factors, kernels = own_plan(HEART, memory_gib=4.0)
    assert spacing_mm == (1.5, 1.6, 10.0) and batch == 2
    assert len(kernels) == len(factors) + 1
    assert factors[0] == (2, 2, 1) and kernels[0] == (3, 3, 1)
    assert all(
        size % np.prod([f[i] for f in factors]) == 0 for i, size in enumerate(patch)
    )
