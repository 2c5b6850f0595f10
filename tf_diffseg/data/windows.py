"""Windows that cover a volume, for a network that sees no more at once."""

import itertools

import numpy as np


def window_starts(shape, window_shape):
    """Places of the fewest windows that cover a volume, evenly spread.

    Args:
        shape: (x, y, z) voxels of the volume.
        window_shape: (x, y, z) voxels of a window.

    Returns:
        List of (x, y, z), the first voxel of each window; negative along an axis where
        the window is longer than the volume, half of which then comes before it.
    """
    return list(itertools.product(*map(_starts, shape, window_shape)))


def _starts(size, window):
    if size <= window:
        return [_before(size, window)]
    number = -(-size // window)
    return [round(i * (size - window) / (number - 1)) for i in range(number)]


def _before(size, window):
    return -((window - size) // 2)


def window_around(centre, shape, window_shape):
    """Place of the window about a voxel, within the volume as far as it can be.

    Args:
        centre: (x, y, z), the voxel.
        shape: as for `window_starts`.
        window_shape: as there.

    Returns:
        (x, y, z), the first voxel of the window.
    """
    return tuple(
        _before(size, window)
        if size <= window
        else int(np.clip(middle - window // 2, 0, size - window))
        for middle, size, window in zip(centre, shape, window_shape, strict=True)
    )
