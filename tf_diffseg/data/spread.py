"""Spreads of figures over cases, as a fingerprint has them."""

import numpy as np


def spread(values):
    """Minimum, median and maximum over cases (n, ...) of each component, JSON-able."""
    values = np.asarray(values)
    return {
        "min": values.min(axis=0).tolist(),
        "median": np.median(values, axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
    }


def spacing_spread(spacings_mm):
    """`spread` of voxel sizes (n, 3), and their `percentile_10`."""
    low = np.percentile(spacings_mm, 10, axis=0).tolist()
    return {**spread(spacings_mm), "percentile_10": low}
