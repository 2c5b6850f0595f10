import numpy as np
import pytest

from data_tools.volume import Volume
from experiments.segment import crop_note

# Voxel axes are z, x, y of 2, 1 and 3 mm.
AFFINE = np.array(
    [[0, 1, 0, 0], [0, 0, 3, 0], [2, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64
)
IMAGE = Volume("scan.nii", np.zeros((10, 40, 20, 1), np.float32), AFFINE)


@pytest.mark.parametrize(
    "preprocessing, kept",
    [
        ({"volume_shape": [30, 20, 10], "spacing_mm": None}, "30 x 60 x 20"),
        ({"volume_shape": [30, 30, 30], "spacing_mm": [1.0, 1.5, 2.0]}, "30 x 45 x 20"),
    ],
)
def test_a_scan_that_is_cropped(preprocessing, kept):
    note = crop_note(IMAGE, preprocessing)
    assert f"measures 40 x 60 x 20 mm (x, y, z); only the central {kept} mm" in note


@pytest.mark.parametrize(
    "preprocessing",
    [
        {},
        {"volume_shape": None, "spacing_mm": None},
        {"volume_shape": [40, 20, 10], "spacing_mm": None},
        {"volume_shape": [40, 40, 10], "spacing_mm": [1.0, 1.5, 2.0]},
    ],
)
def test_a_scan_that_fits(preprocessing):
    assert crop_note(IMAGE, preprocessing) is None
