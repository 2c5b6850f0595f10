"""Calibration: how well probabilities agree with frequencies."""

import numpy as np


def expected_calibration_error(probability, is_class, num_bins=15):
    """Mean gap between the probability of a class and its frequency.

    The voxels are sorted by their probability into bins of equal width. The gap of a
    bin is the difference between its mean probability and its share of voxels of the
    class; the mean is weighted by the number of voxels (Naeini et al. 2015; for one
    class of several, Kull et al. 2019, arXiv 1910.12656).

    Args:
        probability: in [0, 1], of any shape.
        is_class: bool or 0/1, same shape.
        num_bins: number of bins.

    Returns:
        Error in [0, 1].

    Raises:
        ValueError: if shapes differ, or there are no voxels.
    """
    probability = np.asarray(probability, np.float64).ravel()
    is_class = np.asarray(is_class, np.float64).ravel()
    if probability.shape != is_class.shape or not probability.size:
        raise ValueError(
            f"expected as many probabilities as voxels and some of them, got "
            f"{probability.size} and {is_class.size}"
        )
    bins = np.minimum((probability * num_bins).astype(int), num_bins - 1)
    gaps = np.bincount(bins, probability - is_class, num_bins)
    return float(np.abs(gaps).sum() / probability.size)
