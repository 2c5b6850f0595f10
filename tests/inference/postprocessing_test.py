"""Components and holes of shapes that are drawn by hand."""

import numpy as np
import pytest

from tf_diffseg.inference import PostProcessing

_VOXEL_ML = 0.01


def _two_components():
    class_ids = np.zeros((12, 9, 8), np.int32)
    class_ids[1:4, 1:4, 1:4] = 1  # 27 voxels
    class_ids[8:10, 5:7, 5:7] = 1  # 8 voxels
    class_ids[4, 4, 4] = 1  # 1 voxel: it shares only a corner with the first.
    class_ids[8:11, 1:3, 1:3] = 2
    return class_ids


def test_by_default_nothing_changes():
    class_ids = _two_components()
    assert not PostProcessing().is_active
    np.testing.assert_array_equal(PostProcessing()(class_ids, _VOXEL_ML), class_ids)


def test_each_class_keeps_its_largest_component():
    before = _two_components()
    after = PostProcessing(largest_component=True)(before, _VOXEL_ML)
    expected = _two_components()
    expected[8:10, 5:7, 5:7] = expected[4, 4, 4] = 0
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(before, _two_components())


@pytest.mark.parametrize(
    "min_volume_ml, voxels", [(0.01, 36), (0.011, 35), (0.08, 35), (0.081, 27), (1, 0)]
)
def test_components_below_the_smallest_volume_are_dropped(min_volume_ml, voxels):
    after = PostProcessing(min_volume_ml=min_volume_ml)(_two_components(), _VOXEL_ML)
    assert np.count_nonzero(after == 1) == voxels


def _cubes(size, *cubes):
    """Label map of cubes in one another, each a (class id, first voxel, end)."""
    class_ids = np.zeros((size, size, size), np.int16)
    for class_id, start, stop in cubes:
        class_ids[start:stop, start:stop, start:stop] = class_id
    return class_ids


def _assert_filled(before, expected):
    after = PostProcessing(fill_holes=True)(before, _VOXEL_ML)
    np.testing.assert_array_equal(after, expected)
    assert after.dtype == before.dtype


def test_a_hole_is_filled_around_another_class_in_it():
    before = _cubes(9, (2, 1, 8), (0, 3, 6), (1, 4, 5))
    _assert_filled(before, _cubes(9, (2, 1, 8), (1, 4, 5)))
    before[4, 4, 5:] = 0  # A channel to the outside: it is no hole any more.
    _assert_filled(before, before)


@pytest.mark.parametrize("classes", [(1, 2), (2, 1), (3, 2, 1), (2, 3, 1), (1, 300, 1)])
def test_a_hole_goes_to_the_innermost_class_around_it(classes):
    size = 4 * len(classes) + 5
    cubes = [
        (class_id, 2 * depth + 1, size - 2 * depth - 1)
        for depth, class_id in enumerate(classes)
    ]
    hole = (0, size // 2 - 1, size // 2 + 2)
    _assert_filled(_cubes(size, *cubes, hole), _cubes(size, *cubes))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_hole_in_a_slice_is_enclosed_within_it(axis):
    before = _cubes(9, (2, 1, 8), (0, 3, 6), (1, 4, 5)).take([4], axis)
    after = _cubes(9, (2, 1, 8), (1, 4, 5)).take([4], axis)
    _assert_filled(before, after)
    # Among other slices it is open to them.
    sheet = np.zeros((9, 9, 9), np.int16)
    np.moveaxis(sheet, axis, 0)[4] = before.squeeze(axis)
    _assert_filled(sheet, sheet)
    # A channel to the outside.
    open_hole = before.copy()
    np.moveaxis(open_hole, axis, 0)[0, 4, 5:] = 0
    _assert_filled(open_hole, open_hole)


@pytest.mark.parametrize("one, other", [(1, 2), (2, 1)])
def test_a_hole_between_classes_goes_to_that_of_more_faces_then_of_more_voxels(
    one, other
):
    expected = _cubes(9, (one, 1, 8))
    expected[1:8, 1:8, 4:8] = other
    before = expected.copy()
    before[3:6, 3:6, 2:7] = 0  # 9 + 4 * 6 faces of one, 9 + 4 * 9 of the other
    expected[3:6, 3:6, 2:7] = other
    _assert_filled(before, expected)
    expected = _cubes(9, (one, 1, 8))
    expected[1:8, 1:8, 5:8] = other
    before = expected.copy()
    before[4, 4, 4:6] = 0  # 5 faces of each
    expected[4, 4, 4:6] = one
    _assert_filled(before, expected)


def test_background_at_the_border_of_the_volume_is_no_hole():
    class_ids = np.ones((5, 5, 5), np.uint8)
    class_ids[2, 2, 3:] = 0
    class_ids[2, 2, 0] = 0
    _assert_filled(class_ids, class_ids)
    class_ids[2, 2, 4] = 1
    expected = class_ids.copy()
    expected[2, 2, 3] = 1
    _assert_filled(class_ids, expected)


def _bars(class_id, *sizes):
    """Separate bars of these lengths."""
    class_ids = np.zeros((2 * len(sizes) + 1, 9, 3), np.int32)
    for number, size in enumerate(sizes):
        class_ids[2 * number + 1, 1 : size + 1, 1] = class_id
    return class_ids


def _lengths(class_ids, class_id):
    lengths = (class_ids == class_id).sum(axis=(1, 2))
    return [int(length) for length in lengths if length]


def test_a_class_keeps_as_many_components_as_asked_for():
    class_ids = np.concatenate([_bars(1, 5, 3, 7, 3), _bars(2, 2, 4, 6, 1)])
    for options, expected in (
        ({"keep_components": {1: 2}}, ([5, 7], [2, 4, 6, 1])),
        ({"keep_components": {1: 3}}, ([5, 3, 7], [2, 4, 6, 1])),  # the first of 3
        ({"keep_components": {2: 9}}, ([5, 3, 7, 3], [2, 4, 6, 1])),
        ({"keep_components": {2: 2}, "largest_component": True}, ([7], [4, 6])),
        ({"keep_components": {1: 3, 2: 1}, "min_volume_ml": 0.05}, ([5, 7], [6])),
    ):
        after = PostProcessing(**options)(class_ids, _VOXEL_ML)
        assert (_lengths(after, 1), _lengths(after, 2)) == expected
    assert PostProcessing(keep_components={1: 1}).is_active


def test_components_of_regions_are_kept_and_not_those_of_their_parts():
    """A tumour of rim (1), core (2) and middle (3), and an island of rim and core."""
    class_ids = np.zeros((20, 5, 5), np.int16)
    class_ids[1:14, 1:4, 1:4] = 1
    class_ids[5:9, 1:4, 1:4] = 2  # It cuts the rim in two.
    class_ids[6:8, 2, 2] = 3
    class_ids[16:19, 1:3, 1:3] = 1
    class_ids[17, 1, 1] = 2
    regions = ((1, (1, 2, 3)), (2, (2, 3)), (3, (3,)))
    expected = class_ids.copy()
    expected[15:] = 0
    for options in ({"largest_component": True}, {"min_volume_ml": 0.13}):
        clean = PostProcessing(**options, regions=regions)
        after = clean(class_ids, _VOXEL_ML)
        if "min_volume_ml" in options:  # Its middle is small, too, and becomes core.
            expected[6:8, 2, 2] = 2
        np.testing.assert_array_equal(after, expected)
        assert after.dtype == class_ids.dtype
    kept = PostProcessing(keep_components={1: 2, 2: 1}, regions=regions)
    after = kept(class_ids, _VOXEL_ML)
    assert after[17, 1, 1] == 1 and np.count_nonzero(after) == np.count_nonzero(
        class_ids
    )


def test_an_empty_label_map_stays_empty():
    every = PostProcessing(True, 1.0, True)
    assert not every(np.zeros((3, 3, 3), int), _VOXEL_ML).any()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"keep_components": {0: 1}}, "class ids and numbers of 1 and more"),
        ({"keep_components": {1: 0}}, "class ids and numbers of 1 and more"),
        ({"min_volume_ml": -1}, "min_volume_ml must be at least 0, got -1"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PostProcessing(**values)
