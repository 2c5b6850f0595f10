"""Notes on scans of which a model sees only a part."""

import re

import numpy as np
import pytest

from tf_diffseg.runs.segmentation.scan_notes import (
    PERCENTILES,
    crop_note,
    intensity_notes,
)
from tf_diffseg.volumes.volume import Volume

# Voxel axes are z, x, y of 2, 1 and 3 mm.
AFFINE = np.array(
    [[0, 1, 0, 0], [0, 0, 3, 0], [2, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64
)
IMAGE = Volume("scan.nii", np.zeros((10, 40, 20, 1), np.float32), AFFINE)


@pytest.mark.parametrize(
    "preprocessing, kept",
    [
        ({}, None),
        ({"volume_shape": None, "spacing_mm": None}, None),
        ({"volume_shape": [40, 20, 10], "spacing_mm": None}, None),
        ({"volume_shape": [40, 40, 10], "spacing_mm": [1.0, 1.5, 2.0]}, None),
        ({"volume_shape": [30, 20, 10], "spacing_mm": None}, "30 x 60 x 20"),
        ({"volume_shape": [30, 30, 30], "spacing_mm": [1.0, 1.5, 2.0]}, "30 x 45 x 20"),
    ],
)
def test_a_note_says_how_much_of_a_scan_is_cropped_away(preprocessing, kept):
    note = crop_note(IMAGE, preprocessing)
    if kept is None:
        assert note is None
    else:
        assert f"measures 40 x 60 x 20 mm (x, y, z); only the central {kept}" in note


def _volume(*channels):
    array = np.stack([np.float32(channel) for channel in channels], axis=-1)
    return Volume("scan.nii", array, AFFINE)


SPARSE = np.zeros((10, 10, 10))
SPARSE[5, 5, 5] = 50.0
FULL = np.arange(1000.0).reshape(10, 10, 10)


@pytest.mark.parametrize(
    "channels, preprocessing, words",
    [
        ([FULL], {"intensity": "percentile"}, None),
        ([SPARSE], {"intensity": "zscore"}, None),
        ([SPARSE], {"intensity": "percentile"}, "channel 0 .* equal 0.5 and 99.5"),
        ([FULL * 0 + 3], {"intensity": "zscore"}, "channel 0 .* is 3 everywhere"),
        ([FULL], {"intensity": "ct_window", "ct_window": [0, 80]}, None),
        (
            [FULL],
            {"intensity": "ct_window", "ct_window": [1000, 2000]},
            "from 0 to 999, all outside of the window 1000 to 2000",
        ),
        (
            [FULL, SPARSE],
            {"intensity": ["ct_window", "percentile"], "ct_window": [[0, 9], None]},
            "channel 1 .* equal",
        ),
    ],
)
def test_a_note_says_if_scaling_leaves_little_of_a_scan(channels, preprocessing, words):
    notes = intensity_notes(_volume(*channels), preprocessing)
    assert len(notes) == (words is not None)
    assert words is None or re.search(words, notes[0])


def test_the_percentiles_are_those_of_the_preprocessing():
    from tf_diffseg.preprocessing import intensity

    assert PERCENTILES == intensity.PERCENTILES
