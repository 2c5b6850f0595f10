"""Summarizes the cases of a data set and of each split.

The fingerprint decides automatic settings, like nnU-Net's (Isensee et al., Nature
Methods 2021): shapes, spacings, foreground intensities and the size of each class.
"""

import numpy as np

from tf_diffseg.data.spread import spacing_spread, spread


def fingerprint_of(measures, split=None):
    """Summarizes cases.

    Args:
        measures: list of their `CaseMeasures`, at least one.
        split: name of their split, or None for a whole data set.

    Returns:
        JSON-able dict; axes are x, y and z in RAS+, spreads have `min`, `median` and
        `max` over cases:

        * `split`, `num_cases`;
        * `shape`: spread of the number of voxels;
        * `spacing_mm`: spread, and `percentile_10`;
        * `extent_mm`: spread of shape times spacing;
        * `bright_shape` and `bright_mm`: the same of what is brighter than the darkest
          voxel, which `crop_to_foreground` keeps;
        * `foreground_mm`: spread of the extent of all labelled voxels, over the cases
          that have some, or None;
        * `foreground_intensity`: `percentile_00_5`, `median`, `percentile_99_5`,
          `mean` and `std` per channel over labelled voxels, every case with the same
          weight, or None;
        * `class_ml`: per class, spread of its volume over the cases that have it, or
          None;
        * `cases_per_class`: number of cases that have each class;
        * `ignored_ml`: spread of the volume without a class, over the cases that have
          some, or None;
        * `ignored_cases`: number of cases with such a volume.
    """
    shape = np.array([case.ras_shape for case in measures])
    bright = np.array([case.bright_shape or case.ras_shape for case in measures])
    spacing_mm = np.array([case.ras_spacing_mm for case in measures])
    foreground = [case.foreground_mm for case in measures if case.foreground_mm]
    voxels = np.array([case.voxels_per_class for case in measures])
    voxel_mm3 = spacing_mm.prod(axis=1)
    class_ml = voxels * voxel_mm3[:, np.newaxis] / 1000.0
    ignored_ml = np.array([case.ignored_voxels for case in measures]) * voxel_mm3 / 1e3
    return {
        "split": split,
        "num_cases": len(measures),
        "shape": spread(shape),
        "spacing_mm": spacing_spread(spacing_mm),
        "extent_mm": spread(shape * spacing_mm),
        "bright_shape": spread(bright),
        "bright_mm": spread(bright * spacing_mm),
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
    samples = [np.array(case.foreground_samples) for case in measures]
    samples = [channels for channels in samples if channels.size]  # each (c, samples)
    if not samples:
        return None
    # Every case has the same weight, however many samples it has.
    counts = [channels.shape[1] for channels in samples]
    weights = np.concatenate([np.full(count, 1.0 / count) for count in counts])
    values = np.concatenate(samples, axis=1)  # (c, all samples)
    mean = np.average(values, axis=1, weights=weights)
    variance = np.average((values - mean[:, None]) ** 2, axis=1, weights=weights)
    return {
        "percentile_00_5": [_percentile(row, weights, 0.5) for row in values],
        "median": [_percentile(row, weights, 50.0) for row in values],
        "percentile_99_5": [_percentile(row, weights, 99.5) for row in values],
        "mean": mean.tolist(),
        "std": np.sqrt(variance).tolist(),
    }


def _percentile(values, weights, percentile):
    """The smallest value that reaches this percentage of the weight."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    rank = np.searchsorted(share, percentile / 100.0 * share[-1])
    return float(values[order[rank]])


def _class_totals(prefix, voxels, voxel_ml):
    ml = voxels * np.array(voxel_ml)[:, np.newaxis]
    return {
        f"{prefix}voxels_per_class": voxels.sum(axis=0).tolist(),
        f"{prefix}ml_per_class": ml.sum(axis=0).tolist(),
        f"{prefix}cases_per_class": (voxels > 0).sum(axis=0).tolist(),
    }


def summarize(summaries):
    """Statistics of a split, JSON-able.

    Args:
        summaries: list of its `CaseSummary`s, at least one.

    Returns:
        Dict:

        * `source_shape`, `source_spacing_mm`, `shape`: each with min, median and max
          over cases;
        * `spacings_mm`: (x, y, z) in RAS+ of each case, in their order;
        * `intensity`: the same for each statistic per channel;
        * `voxels_per_class`, `ml_per_class`, `cases_per_class` in the files, and with
          the prefix `stored_` on the processed grids;
        * `cropped_cases`, `cropped_voxels`: labelled voxels that `volume_shape` cut;
        * `ignored_cases`, `ignored_voxels`: voxels without a class.
    """
    measures = [summary.measures for summary in summaries]
    voxels = np.array([case.voxels_per_class for case in measures])
    stored = np.array([summary.stored_voxels for summary in summaries])
    cropped = np.array([summary.cropped_voxels for summary in summaries])
    return {
        "source_shape": spread([case.source_shape for case in measures]),
        "source_spacing_mm": spread([case.source_spacing_mm for case in measures]),
        "shape": spread([summary.shape for summary in summaries]),
        "spacings_mm": [case.ras_spacing_mm for case in measures],
        "intensity": {
            name: spread([case.intensity[name] for case in measures])
            for name in measures[0].intensity
        },
        **_class_totals("", voxels, [case.voxel_ml for case in measures]),
        **_class_totals("stored_", stored, [summary.voxel_ml for summary in summaries]),
        "cropped_cases": int((cropped > 0).sum()),
        "cropped_voxels": int(cropped.sum()),
        "ignored_cases": sum(case.ignored_voxels > 0 for case in measures),
        "ignored_voxels": sum(case.ignored_voxels for case in measures),
    }
