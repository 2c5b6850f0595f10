"""What the cases of a data set are like: the numbers that settings are chosen by.

The idea is that of nnU-Net's data set fingerprint (Isensee et al., Nature Methods
2021): shapes, spacings, intensities of what is labelled, and how large each class is.
"""

import numpy as np

from data_tools.conversion.case_statistics import spread


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


def fingerprint_table(fingerprint, class_names, channel_names):
    """The fingerprint as lines of text, for people.

    Args:
        fingerprint: from `fingerprint_of`.
        class_names: name per class id.
        channel_names: name per image channel.
    """
    cases = fingerprint["num_cases"]
    of_split = f" of split {fingerprint['split']}" if fingerprint["split"] else ""
    lines = [f"{f'{cases} cases{of_split}':<30}{'min':>20}{'median':>20}{'max':>20}"]
    for name, title in (
        ("shape", "voxels, x y z"),
        ("spacing_mm", "spacing in mm, x y z"),
        ("extent_mm", "extent in mm, x y z"),
        ("foreground_mm", "foreground in mm, x y z"),
    ):
        lines.append(_row(title, fingerprint[name]))
    for name, volume, count in zip(
        class_names,
        fingerprint["class_ml"],
        fingerprint["cases_per_class"],
        strict=True,
    ):
        lines.append(_row(f"{name} in ml, {count} cases", volume))
    if fingerprint.get("ignored_cases"):
        title = f"ignored in ml, {fingerprint['ignored_cases']} cases"
        lines.append(_row(title, fingerprint["ignored_ml"]))
    intensity = fingerprint["foreground_intensity"]
    for channel, name in enumerate(channel_names if intensity else ()):
        values = {
            "min": intensity["percentile_00_5"][channel],
            "median": intensity["median"][channel],
            "max": intensity["percentile_99_5"][channel],
        }
        lines.append(_row(f"{name} in foreground, 0.5-99.5 %", values))
    return "\n".join(lines)


def _row(title, values):
    if values is None:
        return f"{title:<30}{'-':>20}{'-':>20}{'-':>20}"
    cells = [_cell(values[key]) for key in ("min", "median", "max")]
    return f"{title:<30}" + "".join(f"{cell:>20}" for cell in cells)


def _cell(value):
    return " ".join(f"{number:.4g}" for number in np.atleast_1d(value))
