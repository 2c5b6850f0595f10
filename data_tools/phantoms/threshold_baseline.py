"""Scores the best intensity threshold, the least that a network must reach.

A data set on which such a threshold scores well says nothing about segmentation.
"""

import numpy as np

_NUM_BINS = 128
_RANGE = (-4.0, 6.0)  # of z-scores; values outside go to the first or last bin


def _zscored_bins(image):
    image = np.asarray(image, np.float64)
    image = (image - image.mean()) / max(image.std(), 1e-12)
    scaled = (image - _RANGE[0]) / (_RANGE[1] - _RANGE[0])
    return np.clip((scaled * _NUM_BINS).astype(int), 0, _NUM_BINS - 1)


def best_threshold_dice(images, labels):
    """Mean foreground Dice of the best intensity interval of each class.

    Each image is z-scored. For each class, this tries all intervals between two of 129
    thresholds, and takes the one with the best mean Dice over the cases that hold the
    class.

    Args:
        images: sequence of arrays (x, y, z).
        labels: sequence of integer class ids (x, y, z), 0 for background.

    Returns:
        `(mean, per_class)`: mean Dice, and a dict from class id to Dice.
    """
    bins = [_zscored_bins(image) for image in images]
    class_ids = sorted({int(c) for label in labels for c in np.unique(label)} - {0})
    per_class = {
        class_id: _best_interval_dice(bins, [label == class_id for label in labels])
        for class_id in class_ids
    }
    mean = float(np.mean(list(per_class.values()))) if per_class else float("nan")
    return mean, per_class


def _below(bins):
    """Voxels below each threshold (num_bins + 1,)."""
    counts = np.bincount(bins.ravel(), minlength=_NUM_BINS)
    return np.concatenate([[0], np.cumsum(counts)])


def _best_interval_dice(bins, masks):
    total, num_cases = np.zeros((_NUM_BINS + 1, _NUM_BINS + 1)), 0
    for case_bins, mask in zip(bins, masks, strict=True):
        if not mask.any():
            continue
        total_below, inside_below = _below(case_bins), _below(case_bins[mask])
        # (low, high): voxels between the two thresholds.
        predicted = np.maximum(total_below - total_below[:, np.newaxis], 0)
        hit = np.maximum(inside_below - inside_below[:, np.newaxis], 0)
        total += 2.0 * hit / (predicted + mask.sum())
        num_cases += 1
    return float(total.max() / num_cases)
