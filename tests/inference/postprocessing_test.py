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


def _nested(*classes):
    """A class within a class, and so on; in the innermost a hole."""
    size = 4 * len(classes) + 5
    class_ids = np.zeros((size, size, size), np.int16)
    for depth, class_id in enumerate((*classes, 0)):
        inside = slice(2 * depth + 1, size - 2 * depth - 1)
        class_ids[inside, inside, inside] = class_id
    return class_ids


@pytest.mark.parametrize(
    "classes", [(1, 2), (2, 1), (1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 300, 1)]
)
def test_a_hole_goes_to_the_class_next_to_it_whatever_the_numbers(classes):
    before = _nested(*classes)
    after = PostProcessing(fill_holes=True)(before, _VOXEL_ML)
    centre = len(before) // 2
    assert before[centre, centre, centre] == 0
    np.testing.assert_array_equal(after, np.where(_hole(before), classes[-1], before))


def _hole(class_ids):
    """The background in the middle, by hand."""
    is_hole = np.zeros(class_ids.shape, bool)
    start = len(class_ids) // 2 - 1
    is_hole[(slice(start, start + 3),) * 3] = True
    assert not class_ids[is_hole].any()
    return is_hole


@pytest.mark.parametrize("one, other", [(1, 2), (2, 1)])
def test_a_hole_between_two_classes_goes_to_the_one_with_more_faces(one, other):
    class_ids = np.zeros((9, 9, 9), np.uint8)
    class_ids[1:8, 1:8, 1:4] = one
    class_ids[1:8, 1:8, 4:8] = other
    expected = class_ids.copy()
    class_ids[3:6, 3:6, 2:7] = 0  # 9 + 4 * 6 faces of one, 9 + 4 * 9 of the other
    expected[3:6, 3:6, 2:7] = other
    after = PostProcessing(fill_holes=True)(class_ids, _VOXEL_ML)
    np.testing.assert_array_equal(after, expected)


@pytest.mark.parametrize("one, other", [(1, 2), (2, 1)])
def test_of_equal_shares_the_larger_class_has_it(one, other):
    class_ids = np.zeros((9, 9, 9), np.uint8)
    class_ids[1:8, 1:8, 1:5] = one
    class_ids[1:8, 1:8, 5:8] = other
    class_ids[4, 4, 4:6] = 0
    after = PostProcessing(fill_holes=True)(class_ids, _VOXEL_ML)
    assert (after[4, 4, 4:6] == one).all()


def test_what_reaches_the_border_of_the_volume_is_no_hole():
    class_ids = np.ones((5, 5, 5), np.uint8)
    class_ids[2, 2, 3:] = 0
    class_ids[2, 2, 0] = 0
    after = PostProcessing(fill_holes=True)(class_ids, _VOXEL_ML)
    np.testing.assert_array_equal(after, class_ids)
    class_ids[2, 2, 4] = 1
    after = PostProcessing(fill_holes=True)(class_ids, _VOXEL_ML)
    assert after[2, 2, 3] == 1 and after[2, 2, 0] == 0


def _components(class_id, *sizes):
    """Bars of these lengths, apart."""
    class_ids = np.zeros((2 * len(sizes) + 1, max(sizes) + 2, 3), np.int32)
    for number, size in enumerate(sizes):
        class_ids[2 * number + 1, 1 : size + 1, 1] = class_id
    return class_ids


def _lengths(class_ids, class_id):
    lengths = (class_ids == class_id).sum(axis=(1, 2))
    return [int(length) for length in lengths if length]


def test_so_many_components_of_a_class_stay_as_are_asked_for():
    one, two = _components(1, 5, 3, 7, 3), _components(2, 2, 4, 6, 1)
    class_ids = np.concatenate([one, np.pad(two, [(0, 0), (0, 1), (0, 0)])])
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
    for keep in ({0: 1}, {1: 0}):
        with pytest.raises(ValueError, match="class ids and numbers of 1 and more"):
            PostProcessing(keep_components=keep)


def test_an_empty_label_map_stays_empty():
    every = PostProcessing(True, 1.0, True)
    assert not every(np.zeros((3, 3, 3), int), _VOXEL_ML).any()


def test_a_negative_volume_is_refused():
    with pytest.raises(ValueError, match="min_volume_ml must be at least 0, got -1"):
        PostProcessing(min_volume_ml=-1)
