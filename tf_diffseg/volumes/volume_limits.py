"""What is too large for a file or the memory, or too small to be a volume."""

import contextlib
import math
import os
import pathlib

from tf_diffseg.errors import InputError

# Where Linux tells how much memory this process may have, version 2 and 1.
_MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def check_size(path, shape, itemsize, largest):
    """Raises InputError if the file or the memory cannot hold a volume.

    Args:
        path: of the file.
        shape: of the volume, as the header tells it.
        itemsize: bytes of a voxel.
        largest: bytes that the file can hold at most, once decompressed.
    """
    size = "x".join(map(str, shape))
    if math.prod(shape) * itemsize > largest:
        raise InputError(
            f"{path} is damaged: its header tells of {size} voxels of {itemsize} "
            "bytes, more than the file can hold"
        )
    needed = math.prod(shape) * max(itemsize, 4)
    if needed > memory_bytes():
        raise InputError(
            f"{path} is too large: {size} voxels take {needed / 2**30:.1f} GiB, "
            f"this machine has {memory_bytes() / 2**30:.1f} GiB"
        )


def check_resampled_size(volume, shape, spacing_mm):
    """Raises InputError if the memory cannot hold a volume once it is resampled.

    Args:
        volume: image, a `Volume`.
        shape: (3,) of the part of it that is resampled, in any order of axes.
        spacing_mm: (3,) to resample to, or None.
    """
    if spacing_mm is None:
        return
    growth = math.prod(volume.spacing_mm.tolist()) / math.prod(spacing_mm)
    channels = math.prod(volume.array.shape[3:])
    # Image and label of 4 bytes each are the least that there will be at once.
    needed = math.prod(map(int, shape)) * growth * 4 * (channels + 1)
    if needed > memory_bytes():
        raise InputError(
            f"{volume.path} is too large for a spacing of "
            f"{' x '.join(f'{v:g}' for v in spacing_mm)} mm: its voxels of "
            f"{' x '.join(f'{v:.4g}' for v in volume.spacing_mm)} mm would become "
            f"{needed / 2**30:.1f} GiB, this machine has "
            f"{memory_bytes() / 2**30:.1f} GiB"
        )


def check_extent(volume, spacing_mm):
    """Raises InputError if a volume is less than one voxel once it is resampled.

    Args:
        volume: image, a `Volume`.
        spacing_mm: (3,) to resample to, or None.
    """
    if spacing_mm is None:
        return
    extent_mm = volume.spacing_mm * volume.grid_shape
    if (extent_mm < min(spacing_mm)).all():
        raise InputError(
            f"{volume.path} measures {_by(extent_mm)} mm, less than one voxel of "
            f"{_by(spacing_mm)} mm; is its affine in the unit that its header tells?"
        )


def _by(values):
    return " x ".join(f"{value:.3g}" for value in values)


def memory_bytes():
    """Memory that this process may have; no limit where the system does not tell."""
    limits = [math.inf]
    with contextlib.suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int(pathlib.Path(path).read_text()))
    return min(limits)
