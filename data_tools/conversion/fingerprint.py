"""What the cases of a data set are like, and those of each split.

Settings are chosen by the fingerprint, after nnU-Net's (Isensee et al., Nature Methods
2021): shapes, spacings, intensities of what is labelled, and how large each class is.
"""

import numpy as np


def fingerprint_of(measures, split=None):
    """Summarises cases.

    Args:
        measures: their `CaseMeasures`, one at least.
        split: name of the split that they are, or None for a whole data set.

    Returns:
        JSON-able dict; axes are x, y and z in RAS+, spreads have `min`, `median` and
        `max` over cases:

        * `split`, `num_cases`;
        * `shape`: spread of voxels;
        * `spacing_mm`: spread, and `percentile_10`;
        * `extent_mm`: spread of shape times spacing;
        * `foreground_mm`: spread of the extent of all labelled voxels, over cases that
          have some, or None;
        * `foreground_intensity`: `percentile_00_5`, `median`, `percentile_99_5`,
          `mean` and `std` per channel, over labelled voxels, every case counting
          alike, or None;
        * `class_ml`: per class, spread of its volume over cases that have it, or None;
        * `cases_per_class`: how many cases have it;
        * `ignored_ml`: spread of the volume without a class, over cases that have
          some, or None; `ignored_cases`: how many have.
    """
    shape = np.array([of.ras_shape for of in measures])
    spacing_mm = np.array([of.ras_spacing_mm for of in measures])
    foreground = [of.foreground_mm for of in measures if of.foreground_mm is not None]
    voxels = np.array([of.voxels_per_class for of in measures])
    class_ml = voxels * spacing_mm.prod(axis=1, keepdims=True) / 1000.0
    ignored_ml = np.array([of.ignored_voxels for of in measures])
    ignored_ml = ignored_ml * spacing_mm.prod(axis=1) / 1000.0
    return {
        "split": split,
        "num_cases": len(measures),
        "shape": spread(shape),
        "spacing_mm": {
            **spread(spacing_mm),
            "percentile_10": np.percentile(spacing_mm, 10, axis=0).tolist(),
        },
        "extent_mm": spread(shape * spacing_mm),
        "foreground_mm": spread(foreground) if foreground else None,
        "foreground_intensity": _foreground_intensity(measures),
        "class_ml": [
            spread(volume[volume > 0]) if volume.any() else None
            for volume in class_ml.T
        ],
        "cases_per_class": (voxels > 0).sum(axis=0).tolist(),
        "ignored_ml": spread(ignored_ml[ignored_ml > 0]) if ignored_ml.any() else None,
        "ignored_cases": int((ignored_ml > 0).sum()),
    }


def _foreground_intensity(measures):
    samples = [of.foreground_samples for of in measures if of.foreground_samples[0]]
    if not samples:
        return None
    # A case with less foreground than others counts as much as they do.
    weights = np.concatenate([np.full(len(of[0]), 1.0 / len(of[0])) for of in samples])
    values = np.concatenate([np.array(of) for of in samples], axis=1)  # (c, samples)
    mean = np.average(values, axis=1, weights=weights)
    variance = np.average((values - mean[:, None]) ** 2, axis=1, weights=weights)
    return {
        "percentile_00_5": [_percentile(of, weights, 0.5) for of in values],
        "median": [_percentile(of, weights, 50.0) for of in values],
        "percentile_99_5": [_percentile(of, weights, 99.5) for of in values],
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
    }


def _percentile(values, weights, percentile):
    """The smallest value that this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    rank = np.searchsorted(share, percentile / 100.0 * share[-1])
    return float(values[order[rank]])


def spread(values):
    """Smallest, median and largest over cases (n, ...) of each component."""
    values = np.asarray(values)
    return {
        "min": values.min(axis=0).tolist(),
        "median": np.median(values, axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
    }


def _class_totals(prefix, voxels, voxel_ml):
    return {
        f"{prefix}voxels_per_class": voxels.sum(axis=0).tolist(),
        f"{prefix}ml_per_class": (voxels * np.array(voxel_ml)[:, None])
        .sum(axis=0)
        .tolist(),
        f"{prefix}cases_per_class": (voxels > 0).sum(axis=0).tolist(),
    }


def summarize(summaries):
    """Statistics of a split, JSON-able.

    Args:
        summaries: its `CaseSummary`s, one at least.

    Returns:
        Dict: `source_shape`, `source_spacing_mm` and `shape`, each with min,
        median and max over cases; `intensity`, the same for each statistic per
        channel; `voxels_per_class`, `ml_per_class` and `cases_per_class` in the
        files, and the same with `stored_` in front on the processed grids;
        `cropped_cases` and `cropped_voxels`, labelled ones that `volume_shape`
        cropped away; `ignored_cases` and `ignored_voxels`, those without a class.
    """
    measures = [summary.measures for summary in summaries]
    voxels = np.array([of.voxels_per_class for of in measures])
    stored = np.array([of.stored_voxels for of in summaries])
    cropped = np.array([summary.cropped_voxels for summary in summaries])
    return {
        "source_shape": spread([of.source_shape for of in measures]),
        "source_spacing_mm": spread([of.source_spacing_mm for of in measures]),
        "shape": spread([summary.shape for summary in summaries]),
        "intensity": {
            name: spread([of.intensity[name] for of in measures])
            for name in measures[0].intensity
        },
        **_class_totals("", voxels, [of.voxel_ml for of in measures]),
        **_class_totals("stored_", stored, [of.voxel_ml for of in summaries]),
        "cropped_cases": int((cropped > 0).sum()),
        "cropped_voxels": int(cropped.sum()),
        "ignored_cases": sum(of.ignored_voxels > 0 for of in measures),
        "ignored_voxels": sum(of.ignored_voxels for of in measures),
    }
