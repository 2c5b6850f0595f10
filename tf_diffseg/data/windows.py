"""Windows over a volume, for a network that sees no more at once."""

import itertools

import numpy as np


def window_starts(shape, window_shape):
    """Places of windows, each in the middle of one of equal parts of a volume.

    There are as many along an axis as its length in windows, rounded: the windows hold
    about as many voxels as the volume. A third of the voxels of an axis may be in none,
    or in two.

    Args:
        shape: (x, y, z) voxels of the volume.
        window_shape: (x, y, z) voxels of a window.

    Returns:
        List of (x, y, z), the first voxel of each window; negative along an axis where
        the window is longer than the volume, half of which then comes before it.
    """
    return list(itertools.product(*map(_starts, shape, window_shape)))


def _starts(size, window):
    number = max(1, (2 * size + window) // (2 * window))
    middles = [(2 * i + 1) * size // (2 * number) for i in range(number)]
    return [_start(middle, size, window) for middle in middles]


def _start(middle, size, window):
    if size <= window:
        return -((window - size) // 2)
    return int(np.clip(middle - window // 2, 0, size - window))


def window_around(centre, shape, window_shape):
    """Place of the window about a voxel, within the volume as far as it can be.

    Args:
        centre: (x, y, z), the voxel.
        shape: as for `window_starts`.
        window_shape: as there.

    Returns:
        (x, y, z), the first voxel of the window.
    """
    return tuple(map(_start, centre, shape, window_shape))


def window_of(volume, start, window_shape):
    """The part of a volume [x, y, z, ...] that lies in a window, as an array."""
    return volume[
        tuple(
            slice(max(0, first), max(0, first + size))
            for first, size in zip(start, window_shape, strict=True)
        )
    ]
