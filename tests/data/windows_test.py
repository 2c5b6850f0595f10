"""Windows cover a volume, and lie within it wherever they fit."""

import itertools
import math

import numpy as np
import pytest

from tf_diffseg.data.windows import window_around, window_starts

_SIZES = [(1, 1), (1, 4), (4, 4), (5, 4), (8, 4), (9, 4), (13, 5), (100, 7), (3, 8)]


@pytest.mark.parametrize("size, window", _SIZES)
def test_the_fewest_windows_cover_an_axis(size, window):
    starts = [start for start, _, _ in window_starts((size, 1, 1), (window, 1, 1))]
    assert len(starts) == max(1, math.ceil(size / window))
    covered = np.concatenate([np.arange(start, start + window) for start in starts])
    assert set(range(size)) <= set(covered.tolist())
    if size >= window:
        assert min(starts) == 0 and max(starts) == size - window
        steps = np.diff(starts)
        assert not len(steps) or steps.max() - steps.min() <= 1
    else:
        before, after = -starts[0], starts[0] + window - size
        assert after - before in (0, 1)


def test_windows_are_placed_along_all_axes():
    shape, window = (9, 4, 3), (4, 4, 5)
    assert window_starts(shape, window) == list(itertools.product((0, 2, 5), [0], [-1]))


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
