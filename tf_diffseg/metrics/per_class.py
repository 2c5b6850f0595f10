"""All metrics of one case, per class, on the grid of its file."""

import dataclasses

import numpy as np
from scipy import ndimage

from tf_diffseg.metrics.calibration import expected_calibration_error
from tf_diffseg.metrics.dice import check_same_shape, region_mask
from tf_diffseg.metrics.surface_distance import longest_diagonal_mm, surface_distances

# Only voxels this near to the foreground count for calibration: in a whole volume
# nearly all voxels are certain background, which hides the others.
_CALIBRATION_MARGIN_MM = 10.0


@dataclasses.dataclass(frozen=True)
class CaseMetrics:
    """Metrics of one case, float64 arrays of shape [num_classes].

    NaN means that a metric is not defined: leave it out of means, and count it. It
    stands for background, and for a class that is absent from ground truth and
    prediction alike. For a class that is missed or invented, every share is 0 and
    every distance is the diagonal of the volume.

    Voxels whose true class is not known are left out. They count as background in truth
    and prediction, so that no surface lies inside of them, and a structure that reaches
    into them ends at their border in both. No volume contains them, not even that of
    background, and no calibration. If no voxel is known, all metrics are NaN.

    Attributes:
        dice: overlap, 2 * intersection / sum.
        iou: overlap, intersection / union.
        precision: share of the predicted voxels that are right.
        recall: share of the true voxels that are found.
        hd95_mm: 95th percentile Hausdorff distance.
        hd_mm: Hausdorff distance.
        assd_mm: average symmetric surface distance.
        surface_dice: one array for each tolerance: share of both surfaces that is
            within it of the other.
        centroid_distance_mm: between the centres of mass.
        true_volume_ml: of the ground truth; 0, not NaN, for an absent class.
        predicted_volume_ml: of the prediction, likewise.
        volume_error_ml: predicted minus true volume.
        relative_volume_error: the same as a share of the true volume; NaN for a
            class that is invented.
        ece: expected calibration error of the class's probability, in the box around
            all foreground, true or predicted, and 10 mm around it; NaN without
            probabilities.
    """

    dice: np.ndarray
    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    hd95_mm: np.ndarray
    hd_mm: np.ndarray
    assd_mm: np.ndarray
    surface_dice: tuple[np.ndarray, ...]
    centroid_distance_mm: np.ndarray
    true_volume_ml: np.ndarray
    predicted_volume_ml: np.ndarray
    volume_error_ml: np.ndarray
    relative_volume_error: np.ndarray
    ece: np.ndarray


def voxel_ml(affine):
    """Volume of a voxel, whose axes may be sheared.

    Args:
        affine: [4, 4], voxel to world in millimetres.
    """
    axes_mm = np.asarray(affine, np.float64)[:3, :3]
    return float(abs(np.linalg.det(axes_mm))) / 1000.0


# Metrics that `case_metrics` computes for all classes at once.
_METRICS_OF_CASE = (
    "true_volume_ml",
    "predicted_volume_ml",
    "volume_error_ml",
    "relative_volume_error",
    "ece",
)
# Metrics that `_class_metrics` computes from the masks of one class.
_METRICS_OF_MASKS = [
    field.name
    for field in dataclasses.fields(CaseMetrics)
    if field.name not in _METRICS_OF_CASE
]


def case_metrics(
    ground_truth_label,
    predicted_label,
    num_classes,
    affine,
    tolerances_mm=(1.0, 2.0),
    probabilities=None,
    regions=None,
    ignored_id=None,
):
    """Measures one case.

    Args:
        ground_truth_label: int class ids [i, j, k].
        predicted_label: the same shape.
        num_classes: number of classes, background included.
        affine: [4, 4], voxel to world in millimetres.
        tolerances_mm: of the surface Dice.
        probabilities: float [i, j, k, num_classes], or None.
        regions: the class ids of each region, without background, if classes overlap;
            otherwise None.
        ignored_id: id of voxels in the ground truth whose class is not known, or None.

    Returns:
        `CaseMetrics`.

    Raises:
        ValueError: if shapes differ, or there is not one region for each class but
            background.
    """
    truth, predicted = np.asarray(ground_truth_label), np.asarray(predicted_label)
    check_same_shape(truth, predicted)
    if regions is None:
        regions = [(class_id,) for class_id in range(1, num_classes)]
    if len(regions) != num_classes - 1:
        raise ValueError(
            f"regions must be {num_classes - 1}, one for each class but background, "
            f"got {len(regions)}"
        )
    truth, predicted, is_known = only_known(truth, predicted, ignored_id)
    axes_mm = np.asarray(affine, np.float64)[:3, :3]
    volumes = [
        _voxels(label, regions, is_known) * voxel_ml(affine)
        for label in (truth, predicted)
    ]
    per_class = [_class_metrics(None, None, axes_mm, tolerances_mm)] + [
        _class_metrics(
            region_mask(truth, ids),
            region_mask(predicted, ids),
            axes_mm,
            tolerances_mm,
        )
        for ids in regions
    ]
    arrays = {
        name: np.array([values[name] for values in per_class])
        for name in per_class[0]
        if name != "surface_dice"
    }
    is_defined = ~np.isnan(arrays["dice"])
    error_ml = np.where(is_defined, volumes[1] - volumes[0], np.nan)
    has_truth = np.where(volumes[0] > 0.0, volumes[0], np.nan)
    return CaseMetrics(
        **arrays,
        surface_dice=tuple(np.array([v["surface_dice"] for v in per_class]).T),
        true_volume_ml=volumes[0],
        predicted_volume_ml=volumes[1],
        volume_error_ml=error_ml,
        relative_volume_error=error_ml / has_truth,
        ece=_calibration_errors(
            truth,
            predicted,
            probabilities,
            regions,
            is_defined,
            np.linalg.norm(axes_mm, axis=0),
            is_known,
        ),
    )


def only_known(truth, predicted, ignored_id):
    """Replaces voxels whose true class is not known by background.

    Args:
        truth: int class ids, of any shape.
        predicted: the same shape.
        ignored_id: id of voxels in the truth whose class is not known, or None.

    Returns:
        `(truth, predicted, is_known)`, the last a bool array, or None if all classes
        are known.
    """
    is_known = truth != ignored_id if ignored_id is not None else None
    if is_known is None or is_known.all():
        return truth, predicted, None
    return np.where(is_known, truth, 0), np.where(is_known, predicted, 0), is_known


def _voxels(label, regions, is_known):
    """Voxels of background and of each region, float64 [1 + regions]."""
    if is_known is not None:
        label = label[is_known]
        if not label.size:
            return np.full(1 + len(regions), np.nan)
    largest = max(map(max, regions))
    per_class = np.bincount(label.ravel(), minlength=largest + 1).astype(np.float64)
    return np.array([per_class[0]] + [per_class[list(ids)].sum() for ids in regions])


def _class_metrics(truth, predicted, axes_mm, tolerances_mm):
    """Metrics of one class by name; all are NaN if no mask has it."""
    if truth is None or not (truth.any() or predicted.any()):
        nothing = dict.fromkeys(_METRICS_OF_MASKS, np.nan)
        return nothing | {"surface_dice": [np.nan] * len(tolerances_mm)}
    (box,) = ndimage.find_objects((truth | predicted).astype(np.uint8))
    shape = truth.shape
    diagonal_mm = longest_diagonal_mm(axes_mm, shape)
    truth, predicted = truth[box], predicted[box]
    both, of_truth, of_predicted = (
        np.count_nonzero(mask) for mask in (truth & predicted, truth, predicted)
    )
    distances = surface_distances(truth, predicted, axes_mm, diagonal_mm, shape)
    centroid_mm = diagonal_mm
    if of_truth and of_predicted:
        centres = (np.argwhere(mask).mean(axis=0) for mask in (truth, predicted))
        centroid_mm = float(np.linalg.norm(axes_mm @ np.subtract(*centres)))
    return {
        "dice": 2.0 * both / (of_truth + of_predicted),
        "iou": both / (of_truth + of_predicted - both),
        "precision": both / max(of_predicted, 1),
        "recall": both / max(of_truth, 1),
        "hd95_mm": distances.hausdorff_mm(percentile=95),
        "hd_mm": distances.hausdorff_mm(percentile=100),
        "assd_mm": distances.average_mm(),
        "surface_dice": [distances.surface_dice(mm) for mm in tolerances_mm],
        "centroid_distance_mm": centroid_mm,
    }


def _calibration_errors(
    truth, predicted, probabilities, regions, is_defined, spacing_mm, is_known
):
    errors = np.full(len(is_defined), np.nan)
    foreground = (truth > 0) | (predicted > 0)
    if probabilities is None or not foreground.any():
        return errors
    probabilities = np.asarray(probabilities)
    if probabilities.shape != (*truth.shape, len(is_defined)):
        raise ValueError(
            f"probabilities must have shape {(*truth.shape, len(is_defined))}, "
            f"got {probabilities.shape}"
        )
    (box,) = ndimage.find_objects(foreground.astype(np.uint8))
    margin = np.ceil(_CALIBRATION_MARGIN_MM / spacing_mm).astype(int)
    around = tuple(
        slice(max(axis.start - more, 0), axis.stop + more)
        for axis, more in zip(box, margin, strict=True)
    )
    counted = slice(None) if is_known is None else is_known[around]
    for class_id in np.flatnonzero(is_defined):
        errors[class_id] = expected_calibration_error(
            probabilities[around][..., class_id][counted],
            region_mask(truth[around][counted], regions[class_id - 1]),
        )
    return errors
