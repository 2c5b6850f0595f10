"""Windows lie evenly over a volume, and within it wherever they fit."""

import itertools

import numpy as np
import pytest

from tf_diffseg.data.windows import window_around, window_of, window_starts

_SIZES = [(1, 1), (7, 1), (1, 4), (4, 4), (5, 4), (6, 4), (8, 4), (9, 4), (13, 5)]
_SIZES += [(100, 7), (3, 8), (162, 160), (239, 160), (241, 160), (321, 160)]


@pytest.mark.parametrize("size, window", _SIZES)
def test_windows_hold_about_as_many_voxels_as_an_axis(size, window):
    starts = [start for start, _, _ in window_starts((size, 1, 1), (window, 1, 1))]
    assert starts == sorted(set(starts))
    if size < window:
        (start,) = starts
        # Half of the padding before, half after.
        assert start + window - size + start in (0, 1)
        return
    assert abs(len(starts) * window - size) <= window / 2
    assert min(starts) >= 0 and max(starts) <= size - window
    counts = np.zeros(size, int)
    for start in starts:
        counts[start : start + window] += 1
    assert counts.max() <= 2
    assert (counts != 1).mean() <= 1 / 3 + 1 / size
    # Evenly, from both ends.
    turned = sorted(size - window - start for start in starts)
    assert np.abs(np.subtract(starts, turned)).max() <= 1


def test_windows_are_placed_along_all_axes():
    shape, window = (9, 4, 3), (4, 4, 5)
    assert window_starts(shape, window) == list(itertools.product((0, 4), [0], [-1]))


@pytest.mark.parametrize("size, window", _SIZES)
def test_a_window_about_a_voxel_holds_it(size, window):
    for centre in range(size):
        (start, _, _) = window_around((centre, 0, 0), (size, 1, 1), (window, 1, 1))
        assert start <= centre < start + window
        if size >= window:
            assert 0 <= start <= size - window
            # The voxel is in the middle, as far as the ends allow.
            assert start in (0, size - window, centre - window // 2)
        else:
            assert start == window_starts((size, 1, 1), (window, 1, 1))[0][0]


def test_the_part_in_a_window_ends_with_the_volume():
    volume = np.arange(60).reshape(3, 4, 5)
    assert (
        window_of(volume, (-1, 0, 0), (2, 2, 2)).tolist() == volume[:1, :2, :2].tolist()
    )
    assert window_of(volume, (1, 2, 3), (9, 2, 2)).shape == (2, 2, 2)
    assert window_of(volume, (-4, 0, 0), (2, 2, 2)).size == 0
