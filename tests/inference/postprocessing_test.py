"""Components and holes of shapes that are drawn by hand."""

import numpy as np
import pytest

from tf_diffseg.inference import PostProcessing

_VOXEL_ML = 0.01


def _two_components():
    class_ids = np.zeros((12, 9, 8), np.int32)
    class_ids[1:4, 1:4, 1:4] = 1  # 27 voxels
    class_ids[8:10, 5:7, 5:7] = 1  # 8 voxels
    class_ids[4, 4, 4] = 1  # Shares a corner with the first alone: 1 voxel.
    class_ids[8:11, 1:3, 1:3] = 2
    return class_ids


def test_without_flags_nothing_changes():
    class_ids = _two_components()
    assert not PostProcessing().is_active
    np.testing.assert_array_equal(PostProcessing()(class_ids, _VOXEL_ML), class_ids)


def test_the_largest_component_of_each_class_stays():
    before = _two_components()
    after = PostProcessing(largest_component=True)(before, _VOXEL_ML)
    expected = _two_components()
    expected[8:10, 5:7, 5:7] = expected[4, 4, 4] = 0
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(before, _two_components())


@pytest.mark.parametrize(
    "min_volume_ml, voxels", [(0.01, 36), (0.011, 35), (0.08, 35), (0.081, 27), (1, 0)]
)
def test_components_below_a_volume_go(min_volume_ml, voxels):
    after = PostProcessing(min_volume_ml=min_volume_ml)(_two_components(), _VOXEL_ML)
    assert np.count_nonzero(after == 1) == voxels


def _hollow():
    class_ids = np.zeros((9, 9, 9), np.uint8)
    class_ids[1:8, 1:8, 1:8] = 2
    class_ids[3:6, 3:6, 3:6] = 0
    class_ids[4, 4, 4] = 1
    return class_ids


def test_holes_are_filled_but_for_other_classes():
    after = PostProcessing(fill_holes=True)(_hollow(), _VOXEL_ML)
    expected = np.zeros((9, 9, 9), np.uint8)
    expected[1:8, 1:8, 1:8] = 2
    expected[4, 4, 4] = 1
    np.testing.assert_array_equal(after, expected)
    assert after.dtype == np.uint8


def test_a_hole_that_is_open_is_none():
    class_ids = _hollow()
    class_ids[4, 4, 5:] = 0  # A channel to the outside.
    after = PostProcessing(fill_holes=True)(class_ids, _VOXEL_ML)
    np.testing.assert_array_equal(after, class_ids)


def test_an_empty_label_map_stays_empty():
    every = PostProcessing(True, 1.0, True)
    assert not every(np.zeros((3, 3, 3), int), _VOXEL_ML).any()


def test_a_negative_volume_is_refused():
    with pytest.raises(ValueError, match="min_volume_ml must be at least 0, got -1"):
        PostProcessing(min_volume_ml=-1)
