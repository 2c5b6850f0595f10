"""Figures about cases, for the manifest."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class CaseSummary:
    """Figures of one case.

    Attributes:
        source_shape: (3,) of the file.
        source_spacing_mm: (3,) of the file.
        shape: (3,) of the processed grid.
        intensity: dict from statistic to values per channel, of the file.
        voxels_per_class: on the file's grid.
        cropped_voxels: labelled voxels of the processed grid that the crop to
            `volume_shape` took away.
    """

    source_shape: list[int]
    source_spacing_mm: list[float]
    shape: list[int]
    intensity: dict[str, list[float]]
    voxels_per_class: list[int]
    cropped_voxels: int


def describe_intensity(image):
    """Statistics per channel of an image (i, j, k, c)."""
    channels = image.reshape(-1, image.shape[-1]).astype(np.float64)
    low, median, high = np.percentile(channels, (0.5, 50.0, 99.5), axis=0)
    statistics = {
        "min": channels.min(axis=0),
        "percentile_00_5": low,
        "median": median,
        "percentile_99_5": high,
        "max": channels.max(axis=0),
        "mean": channels.mean(axis=0),
        "std": channels.std(axis=0),
    }
    return {name: values.tolist() for name, values in statistics.items()}


def _spread(values):
    """Smallest, median and largest over cases (n, ...) of each component."""
    values = np.asarray(values)
    return {
        "min": values.min(axis=0).tolist(),
        "median": np.median(values, axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
    }


def summarize(summaries):
    """Statistics of a split, JSON-able.

    Args:
        summaries: its `CaseSummary`s, one at least.

    Returns:
        Dict: `source_shape`, `source_spacing_mm` and `shape`, each with min,
        median and max over cases; `intensity`, the same for each statistic per
        channel; `voxels_per_class` and `cases_per_class`; `cropped_cases` and
        `cropped_voxels`, labelled ones that `volume_shape` cropped away.
    """
    voxels = np.array([summary.voxels_per_class for summary in summaries])
    cropped = np.array([summary.cropped_voxels for summary in summaries])
    return {
        "source_shape": _spread([s.source_shape for s in summaries]),
        "source_spacing_mm": _spread([s.source_spacing_mm for s in summaries]),
        "shape": _spread([s.shape for s in summaries]),
        "intensity": {
            name: _spread([s.intensity[name] for s in summaries])
            for name in summaries[0].intensity
        },
        "voxels_per_class": voxels.sum(axis=0).tolist(),
        "cases_per_class": (voxels > 0).sum(axis=0).tolist(),
        "cropped_cases": int((cropped > 0).sum()),
        "cropped_voxels": int(cropped.sum()),
    }
