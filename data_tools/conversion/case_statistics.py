"""Figures about cases, for the manifest and for choosing how to preprocess."""

import dataclasses
import math

import nibabel as nib
import numpy as np

from data_tools.conversion.shared_images import voxel_digest

# Foreground intensities kept per case and channel: enough for percentiles of a data
# set, and every case counts alike.
_MOST_SAMPLES = 1000
# Whole numbers over a range this wide are counted, which is faster than sorting.
_WIDEST_COUNT = 1 << 17
# Voxels turned to float64 at a time.
_CHUNK = 1 << 18


@dataclasses.dataclass(frozen=True)
class CaseMeasures:
    """Figures of one case as its files have it.

    Attributes:
        source_shape: (3,) of the file.
        source_spacing_mm: (3,) of the file.
        ras_shape: the same along x, y and z, right, anterior and superior.
        ras_spacing_mm: the same along x, y and z.
        foreground_mm: extent of all labelled voxels along x, y and z, or None where
            there is none.
        intensity: dict from statistic to values per channel.
        is_whole: whether all intensities are whole numbers.
        foreground_samples: per channel, sorted intensities of labelled voxels, 1000
            at most, spread evenly over them.
        voxels_per_class: number of voxels of each class.
        label_sha256: of the class ids, or None where there is no foreground.
        remarks: pairs of what was looked at and what was found odd in the files.
        ignored_voxels: number of those that have no class.
    """

    source_shape: list[int]
    source_spacing_mm: list[float]
    ras_shape: list[int]
    ras_spacing_mm: list[float]
    foreground_mm: list[float] | None
    intensity: dict[str, list[float]]
    is_whole: bool
    foreground_samples: list[list[float]]
    voxels_per_class: list[int]
    label_sha256: str | None = None
    remarks: list[list[str]] = dataclasses.field(default_factory=list)
    ignored_voxels: int = 0

    @property
    def voxel_ml(self):
        """Volume of a voxel of the file."""
        return math.prod(self.source_spacing_mm) / 1000.0


@dataclasses.dataclass(frozen=True)
class CaseSummary:
    """Figures of one case that was converted.

    Attributes:
        measures: of its files.
        shape: (3,) of the processed grid.
        spacing_mm: (3,) of the processed grid.
        uncropped_voxels: number of voxels of each class before the crop to
            `volume_shape`.
        stored_voxels: number of voxels of each class on the processed grid.
        constant_channels: those of the processed image that are constant.
        flat_channels: those whose percentiles are equal, see `intensity`.
    """

    measures: CaseMeasures
    shape: list[int]
    spacing_mm: list[float]
    uncropped_voxels: list[int]
    stored_voxels: list[int]
    constant_channels: list[int]
    flat_channels: list[int]

    @property
    def cropped_voxels(self):
        """Labelled voxels that the crop to `volume_shape` took away."""
        return sum(self.uncropped_voxels[1:]) - sum(self.stored_voxels[1:])

    @property
    def voxel_ml(self):
        """Volume of a voxel of the processed grid."""
        return math.prod(self.spacing_mm) / 1000.0

    @classmethod
    def from_json(cls, fields):
        """The summary of which `dataclasses.asdict` made `fields`."""
        return cls(**{**fields, "measures": CaseMeasures(**fields["measures"])})


def measure_case(image, class_ids, num_classes):
    """Measures one case.

    Args:
        image: `volume.Volume` of float32 (i, j, k, channels).
        class_ids: integers (i, j, k) on its grid; those of `num_classes` have no
            class, and are neither foreground nor background.
        num_classes: of the data set.

    Returns:
        `CaseMeasures`.
    """
    order = np.argsort(nib.io_orientation(image.affine)[:, 0])
    shape, spacing_mm = np.array(class_ids.shape), image.spacing_mm
    is_foreground = class_ids != 0
    counts = _voxels_per_id(class_ids, num_classes, is_foreground)
    if counts[-1]:
        is_foreground &= class_ids != num_classes
    extent = _foreground_extent(is_foreground)
    intensity, is_whole = describe_intensity(image.array)
    return CaseMeasures(
        source_shape=shape.tolist(),
        source_spacing_mm=spacing_mm.tolist(),
        ras_shape=shape[order].tolist(),
        ras_spacing_mm=spacing_mm[order].tolist(),
        foreground_mm=None if extent is None else (extent * spacing_mm)[order].tolist(),
        intensity=intensity,
        is_whole=is_whole,
        foreground_samples=_foreground_samples(image.array, is_foreground),
        voxels_per_class=counts[:-1],
        label_sha256=(
            None if extent is None else voxel_digest([class_ids], class_ids.dtype)
        ),
        ignored_voxels=counts[-1],
    )


def count_values(array, length):
    """Number of voxels of each value in [0, length) of an integer array."""
    # In pieces: np.bincount makes int64 of all that it is given.
    counts = np.zeros(length, np.int64)
    for chunk in _chunks(np.ravel(array)):
        counts += np.bincount(chunk, minlength=length)
    return counts


def voxels_per_class(class_ids, num_classes):
    """Number of voxels of each class; those that have none are left out.

    Args:
        class_ids: integers (i, j, k), as for `measure_case`.
        num_classes: of the data set.

    Returns:
        List of as many numbers as classes.
    """
    return _voxels_per_id(class_ids, num_classes, class_ids != 0)[:-1]


def _voxels_per_id(class_ids, num_classes, is_not_background):
    """As `voxels_per_class`, and one more number: of voxels without a class."""
    others = class_ids[is_not_background]
    counts = count_values(others, num_classes + 1)
    counts[0] = class_ids.size - others.size  # mostly the largest part
    return counts.tolist()


def _foreground_extent(is_foreground):
    """Voxels (3,) that the foreground spans along each axis, or None."""
    along_z = is_foreground.any(axis=2)
    along_xy = is_foreground.any(axis=(0, 1))
    occupied = along_z.any(axis=1), along_z.any(axis=0), along_xy
    if not occupied[0].any():
        return None
    indices = [np.flatnonzero(axis) for axis in occupied]
    return np.array([index[-1] - index[0] + 1 for index in indices])


def _foreground_samples(image, is_foreground):
    foreground = np.flatnonzero(is_foreground)
    step = max(1, math.ceil(foreground.size / _MOST_SAMPLES))
    samples = image.reshape(-1, image.shape[-1])[foreground[::step]]
    return np.sort(samples, axis=0).T.tolist()


def describe_intensity(image):
    """Statistics per channel of an image.

    Args:
        image: float32 (i, j, k, c).

    Returns:
        `(statistics, is_whole)`: dict from name to values per channel, and whether
        all voxels of all channels are whole numbers.
    """
    channels = [_describe_channel(channel) for channel in np.moveaxis(image, -1, 0)]
    names = channels[0][0]
    statistics = {name: [of[name] for of, _ in channels] for name in names}
    return statistics, all(is_whole for _, is_whole in channels)


def _describe_channel(channel):
    values = np.ravel(channel)
    low, high = float(values.min()), float(values.max())
    counts = _counts(values, low, high)
    if counts is None:
        mean, variance = _moments(values)
        percentiles = _percentiles(values)
    else:
        levels = low + np.arange(counts.size)
        mean = float(np.average(levels, weights=counts))
        variance = float(np.average((levels - mean) ** 2, weights=counts))
        percentiles = _percentiles_of_counts(levels, counts)
    statistics = {
        "min": low,
        "percentile_00_5": percentiles[0],
        "median": percentiles[1],
        "percentile_99_5": percentiles[2],
        "max": high,
        "mean": mean,
        "std": math.sqrt(variance),
    }
    is_whole = counts is not None or bool(np.all(values == np.rint(values)))
    return statistics, is_whole


def _chunks(values):
    return (values[start : start + _CHUNK] for start in range(0, values.size, _CHUNK))


def _counts(values, low, high):
    """Voxels of each level from `low` to `high`, or None unless all are whole."""
    if high - low >= _WIDEST_COUNT or max(abs(low), abs(high)) >= 2**24:
        return None
    counts = np.zeros(int(high - low) + 1, np.int64)
    for chunk in _chunks(values):
        level = chunk.astype(np.int32)
        # Back in float32: numpy would compare the two in float64.
        if not np.array_equal(level.astype(np.float32), chunk):
            return None
        counts += np.bincount(level - int(low), minlength=counts.size)
    return counts


def _moments(values):
    """Mean and variance, summed in float64."""
    total = math.fsum(chunk.sum(dtype=np.float64) for chunk in _chunks(values))
    mean = total / values.size
    squares = math.fsum(
        np.square(chunk.astype(np.float64) - mean).sum() for chunk in _chunks(values)
    )
    return mean, squares / values.size


_PERCENTILES = (0.5, 50.0, 99.5)


def _percentiles(values):
    """As `np.percentile`, of float32 without a copy in float64."""
    ranks = np.array(_PERCENTILES) / 100.0 * (values.size - 1)
    below, above = np.floor(ranks).astype(int), np.ceil(ranks).astype(int)
    ranked = np.partition(values, np.unique([below, above]))
    low, high = ranked[below].astype(np.float64), ranked[above].astype(np.float64)
    return (low + (ranks - below) * (high - low)).tolist()


def _percentiles_of_counts(levels, counts):
    last_rank = np.cumsum(counts) - 1
    ranks = np.array(_PERCENTILES) / 100.0 * last_rank[-1]
    below, above = np.floor(ranks), np.ceil(ranks)
    low = levels[np.searchsorted(last_rank, below)]
    high = levels[np.searchsorted(last_rank, above)]
    return (low + (ranks - below) * (high - low)).tolist()


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
