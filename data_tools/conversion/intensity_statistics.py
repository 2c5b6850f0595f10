"""Exact statistics of the intensities of an image, without a copy of it."""

import math

import numpy as np

# Whole numbers over a smaller range are counted, which is faster than sorting.
_WIDEST_COUNT = 1 << 17
# Voxels converted to float64 at a time.
_CHUNK = 1 << 18


def describe_intensity(image):
    """Statistics per channel of a float32 image (i, j, k, c).

    Returns:
        `(statistics, is_whole)`: dict from name to values per channel, and whether
        all voxels of all channels are whole numbers.
    """
    channels = [_describe_channel(channel) for channel in np.moveaxis(image, -1, 0)]
    names = channels[0][0]
    statistics = {name: [channel[name] for channel, _ in channels] for name in names}
    return statistics, all(is_whole for _, is_whole in channels)


def _describe_channel(channel):
    values = np.ravel(channel)
    low, high = float(values.min()), float(values.max())
    counts = _level_counts(values, low, high)
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


def _level_counts(values, low, high):
    """Voxels of each level from `low` to `high`, or None if some are not whole."""
    if high - low >= _WIDEST_COUNT or max(abs(low), abs(high)) >= 2**24:
        return None
    counts = np.zeros(int(high - low) + 1, np.int64)
    for chunk in _chunks(values):
        level = chunk.astype(np.int32)
        # Compared in float32, because numpy would otherwise convert both to float64.
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
    """`np.percentile` of float32, without a copy in float64."""
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
