"""Means of figures of which some are not defined, NaN."""

import numpy as np


def nan_mean(values, axis=None):
    """Mean of what is not NaN, NaN where there is nothing, without a warning."""
    values = np.asarray(values, np.float64)
    count = np.sum(~np.isnan(values), axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def foreground_mean(values):
    """The one figure of all foreground classes of a case: the mean of those it has.

    Wherever "foreground" is told of several cases, it is the mean of these: so cases
    can be paired, and each counts once however many classes it has.

    Args:
        values: [..., classes], without background.

    Returns:
        [...], NaN of a case that has no class.
    """
    return nan_mean(values, axis=-1)
