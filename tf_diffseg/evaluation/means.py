"""Means of values of which some are not defined: NaN."""

import numpy as np


def nan_mean(values, axis=None):
    """Mean of the values that are not NaN; without any NaN, and no warning."""
    values = np.asarray(values, np.float64)
    count = np.sum(~np.isnan(values), axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def foreground_mean(values):
    """One value for all foreground classes of a case: the mean of those that it has.

    "Foreground" of several cases always means the mean of these values, so that cases
    can be paired and each counts once, however many classes it has.

    Args:
        values: [..., classes], without background.

    Returns:
        [...], NaN for a case that has no class.
    """
    return nan_mean(values, axis=-1)
