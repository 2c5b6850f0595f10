"""Metrics of cases for which they are known."""

import dataclasses

import numpy as np
import pytest

from tf_diffseg.metrics import case_metrics, dice_score, surface_metrics

# Voxel axes j, i, k with i to the left; 0.5 x 2 x 3 mm, 0.003 ml a voxel.
_AFFINE = np.array(
    [[0.0, -2.0, 0.0, 7.0], [0.5, 0.0, 0.0, 1.0], [0.0, 0.0, 3.0, 0.0], [0, 0, 0, 1]]
)
_SPACING_MM = (0.5, 2.0, 3.0)


def _label(shape=(20, 12, 10), **boxes):
    """Boxes by class: corner and size."""
    label = np.zeros(shape, np.int32)
    for name, (corner, size) in boxes.items():
        where = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
        label[where] = int(name.removeprefix("class_"))
    return label


def _sphere(centre_mm, radius_mm, shape=(48, 48, 48)):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return (np.linalg.norm(grid - centre_mm, axis=-1) <= radius_mm).astype(np.int32)


def test_shifted_box():
    truth = _label(class_1=((4, 2, 2), (8, 6, 5)))
    predicted = _label(class_1=((6, 2, 2), (8, 6, 5)))  # by 2 voxels of 0.5 mm
    metrics = case_metrics(truth, predicted, 2, _AFFINE, tolerances_mm=(0.5, 1.0))
    expected = {
        "dice": 0.75,
        "iou": 0.6,
        "precision": 0.75,
        "recall": 0.75,
        "hd95_mm": 1.0,
        "hd_mm": 1.0,
        "centroid_distance_mm": 1.0,
        "true_volume_ml": 0.72,
        "predicted_volume_ml": 0.72,
        "volume_error_ml": 0.0,
        "relative_volume_error": 0.0,
    }
    for name, value in expected.items():
        assert getattr(metrics, name)[1] == pytest.approx(value), name
    assert metrics.surface_dice[1][1] == 1.0
    assert 0.5 < metrics.surface_dice[0][1] < 1.0


def test_precision_and_recall_of_half_a_box():
    truth = _label(class_1=((4, 2, 2), (8, 6, 5)))
    half = _label(class_1=((4, 2, 2), (4, 6, 5)))
    less = case_metrics(truth, half, 2, _AFFINE)
    more = case_metrics(half, truth, 2, _AFFINE)
    assert (less.precision[1], less.recall[1]) == (1.0, 0.5)
    assert (more.precision[1], more.recall[1]) == (0.5, 1.0)
    assert less.volume_error_ml[1] == pytest.approx(-0.36)
    assert less.relative_volume_error[1] == pytest.approx(-0.5)
    assert more.relative_volume_error[1] == pytest.approx(1.0)
    assert less.centroid_distance_mm[1] == pytest.approx(4 * 0.5 / 2)


def test_concentric_spheres():
    small, large = _sphere((23.5,) * 3, 12.0), _sphere((23.5,) * 3, 16.0)
    metrics = case_metrics(small, large, 2, np.eye(4), tolerances_mm=(2.0, 6.0))
    assert metrics.iou[1] == pytest.approx((12 / 16) ** 3, abs=0.01)
    assert metrics.dice[1] == pytest.approx(2 * 12**3 / (12**3 + 16**3), abs=0.01)
    assert metrics.true_volume_ml[1] == pytest.approx(
        4 / 3 * np.pi * 12**3 / 1000, rel=0.01
    )
    assert metrics.centroid_distance_mm[1] == pytest.approx(0.0, abs=1e-9)
    assert metrics.hd_mm[1] == pytest.approx(4.0, abs=1.0)
    assert metrics.assd_mm[1] == pytest.approx(4.0, abs=0.3)
    assert [values[1] for values in metrics.surface_dice] == [0.0, 1.0]


def test_separate_spheres():
    one, other = _sphere((14, 24, 24), 8.0), _sphere((32, 24, 24), 8.0)
    metrics = case_metrics(one, other, 2, np.eye(4))
    assert metrics.dice[1] == metrics.iou[1] == metrics.precision[1] == 0.0
    assert metrics.centroid_distance_mm[1] == pytest.approx(18.0)
    assert metrics.hd_mm[1] == pytest.approx(18.0)


@pytest.mark.parametrize("missed", [True, False], ids=["missed", "invented"])
def test_missed_and_invented_classes_have_the_worst_metrics(missed):
    box = _label(class_1=((4, 2, 2), (8, 6, 5)))
    empty = np.zeros_like(box)
    pair = (box, empty) if missed else (empty, box)
    metrics = case_metrics(*pair, 2, _AFFINE)
    for name in ("dice", "iou", "precision", "recall"):
        assert getattr(metrics, name)[1] == 0.0
    diagonal_mm = np.linalg.norm(np.multiply(box.shape, _SPACING_MM))
    for name in ("hd_mm", "hd95_mm", "assd_mm", "centroid_distance_mm"):
        assert getattr(metrics, name)[1] == pytest.approx(diagonal_mm)
    assert [values[1] for values in metrics.surface_dice] == [0.0, 0.0]
    assert metrics.volume_error_ml[1] == pytest.approx(-0.72 if missed else 0.72)
    relative = metrics.relative_volume_error[1]
    assert relative == pytest.approx(-1.0) if missed else np.isnan(relative)


def test_absent_class_has_no_metrics():
    label = _label(class_1=((4, 2, 2), (8, 6, 5)))
    probabilities = np.eye(3)[label]
    metrics = case_metrics(label, label, 3, _AFFINE, probabilities=probabilities)
    for name, values in dataclasses.asdict(metrics).items():
        values = np.atleast_2d(values)
        if name.endswith("d_volume_ml") or name == "true_volume_ml":
            assert (values[:, 2] == 0.0).all() and (values[:, 0] > 0.0).all()
        else:
            assert np.isnan(values[:, [0, 2]]).all(), name
        assert np.isfinite(values[:, 1]).all(), name
    assert metrics.dice[1] == 1.0 and metrics.ece[1] == 0.0


def test_agreement_with_dice_score_and_surface_metrics():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, size=(2, 9, 8, 7))
    metrics = case_metrics(truth, predicted, 4, _AFFINE, tolerances_mm=(2.0,))
    surface = surface_metrics(truth, predicted, 4, _SPACING_MM, tolerance_mm=2.0)
    dice = dice_score(truth, predicted, 4).dice
    for one, other in [
        (metrics.dice, dice),
        (metrics.hd95_mm, surface.hd95_mm),
        (metrics.assd_mm, surface.assd_mm),
        (metrics.surface_dice[0], surface.surface_dice),
    ]:
        np.testing.assert_allclose(one[1:], other[1:], rtol=1e-12)


def test_region_is_scored_as_one_class():
    rng = np.random.default_rng(1)
    truth, predicted = rng.integers(0, 3, size=(2, 9, 8, 7))
    region = rng.random(size=truth.shape)
    probabilities = np.stack([1.0 - region, region, region**2], axis=-1)
    found = case_metrics(
        truth, predicted, 3, _AFFINE, (2.0,), probabilities, [(1, 2), (2,)]
    )
    # The box for calibration is around all foreground, which is the same in both.
    expected = case_metrics(
        truth > 0, predicted > 0, 2, _AFFINE, (2.0,), probabilities[..., :2]
    )
    for name, values in dataclasses.asdict(expected).items():
        mine, values = (np.asarray(each) for each in (getattr(found, name), values))
        np.testing.assert_allclose(mine[..., :2], values, rtol=1e-12, err_msg=name)


def test_wrong_number_of_regions_is_refused():
    label = np.zeros((3, 3, 3), int)
    with pytest.raises(ValueError, match="regions must be 1, .* got 2"):
        case_metrics(label, label, 2, _AFFINE, regions=[(1,), (2,)])


def test_calibration_counts_voxels_near_the_foreground():
    truth = _label((60, 30, 30), class_1=((20, 10, 10), (8, 6, 5)))
    # A probability of 1/4 everywhere is wrong by 3/4 inside and by 1/4 outside.
    probabilities = np.broadcast_to([0.75, 0.25], (*truth.shape, 2))
    metrics = case_metrics(truth, truth, 2, _AFFINE, probabilities=probabilities)
    # A margin of 10 mm has 20, 5 and 4 voxels on each side.
    box = 48 * 16 * 13
    assert metrics.ece[1] == pytest.approx(abs(0.25 - 8 * 6 * 5 / box))


def test_wrong_shapes_are_refused():
    label = np.zeros((3, 3, 3), int)
    with pytest.raises(ValueError, match=r"shape \(3, 3, 3\), prediction has shape"):
        case_metrics(label, label[:2], 2, _AFFINE)
    with pytest.raises(ValueError, match=r"probabilities must have shape \(3, 3, 3, 2"):
        case_metrics(label + 1, label, 2, _AFFINE, probabilities=np.zeros((3, 3, 3)))


def test_sheared_affine_has_distances_of_the_world():
    # Slices are 4 mm apart and shifted by 3 mm: 5 mm along the axis.
    affine = np.eye(4)
    affine[:3, 2] = (0.0, 3.0, 4.0)
    truth = _label(class_1=((0, 0, 2), (20, 12, 1)))
    predicted = _label(class_1=((0, 0, 3), (20, 12, 1)))
    metrics = case_metrics(truth, predicted, 2, affine)
    # The nearest voxel of the next slice is straight above, if it is in the volume.
    assert metrics.hd_mm[1] == pytest.approx(5.0)
    assert metrics.assd_mm[1] < 4.4
    assert metrics.centroid_distance_mm[1] == pytest.approx(5.0)


def test_volumes_are_each_mask_s_own():
    truth = _label(class_1=((4, 2, 2), (8, 6, 5)))
    half = _label(class_1=((4, 2, 2), (4, 6, 5)))
    metrics = case_metrics(truth, half, 2, _AFFINE)
    assert metrics.true_volume_ml[1] == pytest.approx(0.72)
    assert metrics.predicted_volume_ml[1] == pytest.approx(0.36)
    assert metrics.volume_error_ml[1] == pytest.approx(-0.36)
    assert metrics.relative_volume_error[1] == pytest.approx(-0.5)


def test_a_voxel_is_found_or_not():
    one, other = _label(class_1=((4, 2, 2), (1, 1, 1))), _label()
    metrics = case_metrics(one, one, 2, _AFFINE)
    assert (metrics.precision[1], metrics.recall[1]) == (1.0, 1.0)
    metrics = case_metrics(one, other, 2, _AFFINE)
    assert (metrics.precision[1], metrics.recall[1]) == (0.0, 0.0)


def test_surfaces_may_be_1_and_2_mm_apart_unless_told_otherwise():
    truth = _label((40, 12, 10), class_1=((4, 2, 2), (20, 6, 5)))
    predicted = _label((40, 12, 10), class_1=((9, 2, 2), (20, 6, 5)))  # by 2.5 mm
    found = case_metrics(truth, predicted, 2, _AFFINE).surface_dice
    apart = case_metrics(truth, predicted, 2, _AFFINE, (0.5, 1, 1.5, 2, 2.5))
    np.testing.assert_array_equal(found, [apart.surface_dice[i] for i in (1, 3)])
    assert len({values[1] for values in apart.surface_dice}) == 5


def test_unknown_voxels_are_background_in_both_and_in_no_volume():
    rng = np.random.default_rng(2)
    truth, predicted = rng.integers(0, 3, size=(2, 9, 8, 7))
    probabilities = rng.dirichlet(np.ones(3), size=truth.shape)
    truth[:4] = 255
    found = case_metrics(
        truth, predicted, 3, _AFFINE, probabilities=probabilities, ignored_id=255
    )
    emptied = [np.where(truth == 255, 0, label) for label in (truth, predicted)]
    expected = case_metrics(*emptied, 3, _AFFINE)
    for name in ("dice", "iou", "precision", "recall", "hd_mm", "assd_mm"):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(one, other, err_msg=name)
    counts = [np.bincount(label[4:].ravel()) for label in (truth, predicted)]
    np.testing.assert_allclose(found.true_volume_ml, counts[0] * 0.003)
    np.testing.assert_allclose(found.predicted_volume_ml, counts[1] * 0.003)
    # The margin of 10 mm reaches beyond the volume, on all sides.
    known = case_metrics(
        truth[4:], predicted[4:], 3, _AFFINE, (1.0,), probabilities[4:]
    )
    np.testing.assert_allclose(found.ece, known.ece)
    assert np.isfinite(found.ece[1:]).all()


def test_an_ignored_id_that_no_voxel_has_changes_nothing():
    truth, predicted = np.random.default_rng(3).integers(0, 3, size=(2, 9, 8, 7))
    found = case_metrics(truth, predicted, 3, _AFFINE, ignored_id=255)
    expected = case_metrics(truth, predicted, 3, _AFFINE)
    for name, values in dataclasses.asdict(expected).items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)


def test_nothing_is_defined_where_no_voxel_is_known():
    predicted = _label(class_1=((4, 2, 2), (8, 6, 5)))
    truth = np.full(predicted.shape, 255)
    metrics = case_metrics(
        truth, predicted, 3, _AFFINE, (1.0,), np.eye(3)[predicted], ignored_id=255
    )
    for name, values in dataclasses.asdict(metrics).items():
        values = np.atleast_2d(values)
        assert values.shape == (1, 3) and np.isnan(values).all(), name


def test_calibration_of_an_invented_class_reaches_the_edge_of_the_volume():
    truth = _label((60, 30, 30))
    predicted = _label((60, 30, 30), class_1=((0, 0, 0), (8, 6, 5)))
    probabilities = np.eye(2)[predicted]
    metrics = case_metrics(truth, predicted, 2, _AFFINE, probabilities=probabilities)
    # A margin of 10 mm has 20, 5 and 4 voxels.
    assert metrics.ece[1] == pytest.approx(8 * 6 * 5 / (28 * 11 * 9))
