"""Surface distances of shapes for which they are known."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import distance
from scipy.spatial.transform import Rotation

from tf_diffseg.metrics.surface_distance import surface_distances, surface_metrics

_SPACING_MM = (0.8, 1.0, 2.5)


def box(shape, corner, size):
    """Mask of a box."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return mask


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [1, 4])
def test_two_voxels_along_an_axis(axis, shift):
    one, other = np.zeros((2, 8, 8, 8), bool)
    place = np.array([2, 2, 2])
    one[tuple(place)] = True
    place[axis] += shift
    other[tuple(place)] = True

    distances = surface_distances(one, other, _SPACING_MM)

    expected = shift * _SPACING_MM[axis]
    assert distances.hausdorff_mm() == pytest.approx(expected)
    assert distances.average_mm() == pytest.approx(expected)


@pytest.mark.parametrize(
    "mm, voxels, tolerance_mm",
    [(0.4, 5, 2.0), (0.2, 5, 1.0), (1 / 3, 3, 1.0), (0.7, 10, 7.0), (1.0, 1, 1.0)],
)
@pytest.mark.parametrize("degrees", [0.0, 12.3, 53.13])
def test_a_distance_of_the_tolerance_is_within_it(mm, voxels, tolerance_mm, degrees):
    """In the affine of a file, which is oblique and rounded to float32."""
    turn = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    axes_mm = (mm * turn).astype(np.float32)
    shape = (voxels + 4, 6, 6)
    one, other = (box(shape, (start, 0, 0), (2, 6, 6)) for start in (1, 1 + voxels))
    metrics = surface_distances(one, other, axes_mm)
    assert metrics.surface_dice(tolerance_mm) == 1.0
    assert metrics.surface_dice(0.99 * tolerance_mm) < 1.0


def test_two_voxels_along_the_diagonal():
    one, other = np.zeros((2, 8, 8, 8), bool)
    one[1, 1, 1] = other[4, 4, 4] = True

    distances = surface_distances(one, other, _SPACING_MM)

    expected = 3 * np.linalg.norm(_SPACING_MM)
    assert distances.average_mm() == pytest.approx(expected)


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_parallel_plates(shift):
    shape = (4, 5, 12)
    one = box(shape, (0, 0, 2), (4, 5, 1))
    other = box(shape, (0, 0, 2 + shift), (4, 5, 1))

    distances = surface_distances(one, other, _SPACING_MM)

    gap_mm = shift * 2.5
    assert distances.hausdorff_mm(percentile=100) == pytest.approx(gap_mm)
    assert distances.average_mm() == pytest.approx(gap_mm)
    assert distances.surface_dice(tolerance_mm=gap_mm) == 1.0
    assert distances.surface_dice(tolerance_mm=gap_mm - 0.01) == 0.0


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_shifted_cube(shift):
    shape = (30, 20, 20)
    one = box(shape, (4, 5, 5), (9, 9, 9))
    other = box(shape, (4 + shift, 5, 5), (9, 9, 9))
    spacing_mm = (2.0, 2.0, 2.0)

    distances = surface_distances(one, other, spacing_mm)

    # All 81 of 386 surface voxels on the face that the other cube does not reach are
    # `shift` away, and none is farther.
    assert distances.hausdorff_mm(percentile=95) == pytest.approx(2.0 * shift)
    assert distances.hausdorff_mm(percentile=100) == pytest.approx(2.0 * shift)
    assert 0.0 < distances.average_mm() < 2.0 * shift
    assert distances.surface_dice(tolerance_mm=2.0 * shift) == 1.0
    # Rings of 32 voxels around the side walls coincide.
    apart_mm = distances.ground_truth_to_predicted_mm
    assert apart_mm.size == 386
    assert np.count_nonzero(apart_mm == 0.0) == 32 * (9 - shift)


def test_agreement_with_all_pairs_of_surface_voxels():
    rng = np.random.default_rng(0)
    masks = rng.random((2, 7, 8, 6)) < 0.3

    def surface_mm(mask):
        padded = np.pad(mask, 1)
        inner = np.ones_like(mask)
        for axis in range(3):
            for step in (-1, 1):
                inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inner) * _SPACING_MM

    pairs_mm = distance.cdist(*(surface_mm(mask) for mask in masks))
    there, back = pairs_mm.min(1), pairs_mm.min(0)

    distances = surface_distances(*masks, _SPACING_MM)

    np.testing.assert_allclose(
        np.sort(distances.ground_truth_to_predicted_mm), np.sort(there), rtol=1e-12
    )
    np.testing.assert_allclose(
        np.sort(distances.predicted_to_ground_truth_mm), np.sort(back), rtol=1e-12
    )
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    assert distances.hausdorff_mm() == pytest.approx(hd95)
    both = np.concatenate([there, back])
    assert distances.average_mm() == pytest.approx(both.mean())
    assert distances.surface_dice(1.0) == pytest.approx((both <= 1.0).mean())


@pytest.mark.parametrize("swap", [False, True])
def test_hausdorff_distance_is_that_of_the_worse_direction(swap):
    one, both = np.zeros((2, 8, 8, 8), bool)
    one[1, 1, 1] = both[1, 1, 1] = both[1, 5, 1] = True
    pair = (both, one) if swap else (one, both)

    distances = surface_distances(*pair, _SPACING_MM)

    assert distances.hausdorff_mm(percentile=100) == pytest.approx(4.0)
    assert distances.average_mm() == pytest.approx(4.0 / 3)


def test_mask_agrees_with_itself():
    mask = box((9, 9, 9), (2, 2, 2), (4, 5, 3))

    distances = surface_distances(mask, mask, (1.0, 1.0, 1.0))

    assert distances.hausdorff_mm(percentile=100) == 0.0
    assert distances.average_mm() == 0.0
    assert distances.surface_dice(tolerance_mm=0.0) == 1.0


def test_distances_do_not_depend_on_the_empty_space_around():
    masks = np.random.default_rng(0).random((2, 6, 6, 6)) < 0.3
    padded = np.pad(masks, [(0, 0), (9, 3), (2, 7), (5, 5)])

    tight = surface_distances(*masks, _SPACING_MM)
    wide = surface_distances(*padded, _SPACING_MM)

    assert tight.hausdorff_mm() == wide.hausdorff_mm()
    assert tight.average_mm() == wide.average_mm()


def test_absent_class_is_not_defined():
    ground_truth = np.zeros((8, 8, 8), int)
    ground_truth[1:4, 1:4, 1:4] = 1
    ground_truth[6, 6, 6] = 2
    predicted = np.zeros((8, 8, 8), int)
    predicted[2:5, 1:4, 1:4] = 1

    metrics = surface_metrics(
        ground_truth, predicted, 4, spacing_mm=(3.0, 1.0, 1.0), tolerance_mm=3.0
    )

    np.testing.assert_array_equal(metrics.is_defined, [True, True, True, False])
    assert metrics.hd95_mm[1] == pytest.approx(3.0)
    assert metrics.surface_dice[1] == 1.0
    assert metrics.assd_mm[2] == pytest.approx(8 * np.linalg.norm([3.0, 1.0, 1.0]))
    assert metrics.surface_dice[2] == 0.0
    assert all(np.isfinite(values).all() for values in metrics)


# A gantry tilted by 20 degrees: slices are 3 mm apart, each shifted along y.
_SHEARED_MM = np.array([[0.8, 0.0, 0.0], [0.0, 1.0, 1.026], [0.0, 0.0, 2.819]])


def _surface_mm(mask, axes_mm):
    inner = ndimage.binary_erosion(mask)
    return np.argwhere(mask & ~inner) @ axes_mm.T


@pytest.mark.parametrize("turned", [False, True])
def test_sheared_axes_have_distances_of_the_world(turned):
    axes_mm = _SHEARED_MM
    if turned:
        axes_mm = Rotation.from_euler("xyz", (0.1, 0.2, 0.3)).as_matrix() @ axes_mm
    masks = np.random.default_rng(0).random((2, 9, 10, 8)) < 0.02
    pairs_mm = distance.cdist(*(_surface_mm(mask, axes_mm) for mask in masks))

    distances = surface_distances(*masks, axes_mm)

    np.testing.assert_allclose(
        np.sort(distances.ground_truth_to_predicted_mm), np.sort(pairs_mm.min(1))
    )
    np.testing.assert_allclose(
        np.sort(distances.predicted_to_ground_truth_mm), np.sort(pairs_mm.min(0))
    )
    # Orthogonal axes of the same length give other distances.
    wrong = surface_distances(*masks, np.linalg.norm(axes_mm, axis=0))
    apart_mm = [each.ground_truth_to_predicted_mm for each in (wrong, distances)]
    assert np.abs(np.subtract(*apart_mm)).max() > 0.5


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_missed_structure_in_a_sheared_volume_has_its_longest_diagonal(side):
    axes_mm = _SHEARED_MM * [[1.0], [side], [1.0]] * [1.0, side, 1.0]
    corner, empty = np.zeros((2, 5, 6, 7), bool)
    corner[0, 0, 0] = True

    distances = surface_distances(corner, empty, axes_mm)

    corners = np.array(list(np.ndindex(2, 2, 2))) * (5, 6, 7) @ axes_mm.T
    assert distances.hausdorff_mm() == pytest.approx(distance.pdist(corners).max())


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_orthogonal_axes_equal_their_spacing(order):
    axes_mm = np.diag([0.8, 1.0, 2.5])[order]
    masks = np.random.default_rng(0).random((2, 7, 8, 6)) < 0.3

    by_axes = surface_distances(*masks, axes_mm)

    by_spacing = surface_distances(*masks, np.linalg.norm(axes_mm, axis=0))
    assert by_axes.average_mm() == by_spacing.average_mm()


def test_two_empty_masks_are_refused():
    empty = np.zeros((4, 4, 4))
    with pytest.raises(ValueError, match="both masks are empty"):
        surface_distances(empty, empty, _SPACING_MM)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4\).* shape \(4, 4, 5\)"):
        surface_distances(np.ones((4, 4, 4)), np.ones((4, 4, 5)), _SPACING_MM)


@pytest.mark.parametrize(
    "spacing_mm",
    [(1.0, 1.0), (1.0, 0.0, 1.0), 1.0, np.ones((2, 3)), np.eye(3)[[0, 1, 1]]],
)
def test_wrong_spacing_is_refused(spacing_mm):
    mask = np.ones((4, 4, 4))
    with pytest.raises(ValueError, match="spacing_mm must be 3 positive numbers"):
        surface_distances(mask, mask, spacing_mm)


@pytest.mark.parametrize("axis", [0, 2])
def test_the_surface_of_a_slice_is_its_outline(axis):
    one, other = box((12, 12), (2, 2), (8, 8)), box((12, 12), (3, 3), (6, 6))
    flat = surface_distances(one, other, (1.0, 2.0))
    volumes = (np.expand_dims(mask, axis) for mask in (one, other))
    spacing_mm = np.insert([1.0, 2.0], axis, 5.0)
    distances = surface_distances(*volumes, spacing_mm)
    assert distances.hausdorff_mm() == flat.hausdorff_mm() == pytest.approx(5**0.5)
    assert distances.average_mm() == flat.average_mm() > 1.0


def test_an_absent_class_leaves_those_after_it():
    label = np.zeros((4, 4, 4), int)
    label[1:3] = 2

    metrics = surface_metrics(label, label, 3, _SPACING_MM)

    np.testing.assert_array_equal(metrics.is_defined, [True, False, True])
    np.testing.assert_array_equal(metrics.surface_dice, [1.0, 0.0, 1.0])


def test_the_percentile_is_95_and_the_tolerance_1_mm_unless_told_otherwise():
    masks = np.random.default_rng(0).random((2, 9, 10, 8)) < 0.02
    distances = surface_distances(*masks, _SPACING_MM)
    assert distances.hausdorff_mm() == distances.hausdorff_mm(95)
    assert len({distances.hausdorff_mm(percentile) for percentile in (94, 95, 96)}) == 3

    one, other = (np.zeros((9, 9, 9), int) for _ in range(2))
    one[2, 2, 2] = other[3, 2, 2] = 1
    apart = [
        surface_metrics(one, other, 2, (mm, 1.0, 1.0)).surface_dice[1]
        for mm in (1.0, 1.1)
    ]
    assert apart == [1.0, 0.0]
