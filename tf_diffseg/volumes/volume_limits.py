"""Refuses volumes that are too large for a file or the memory, or too small."""

import contextlib
import math
import os
import pathlib

from tf_diffseg.errors import InputError

# Files in which Linux tells how much memory this process may have.
_MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def check_size(path, shape, itemsize, largest):
    """Raises InputError if the file or the memory cannot hold a volume.

    `itemsize` is the bytes of a voxel, `largest` those that the file can hold at most
    if it is decompressed.
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
    """Raises InputError if the memory cannot hold an image once it is resampled.

    `shape` (3,) is that of the part of the `Volume` that is resampled, in any order of
    axes; `spacing_mm` (3,) is the new spacing, or None.
    """
    if spacing_mm is None:
        return
    growth = math.prod(volume.spacing_mm.tolist()) / math.prod(spacing_mm)
    channels = math.prod(volume.array.shape[3:])
    # At least the image and the label, of 4 bytes each, are in memory at once.
    needed = math.prod(map(int, shape)) * growth * 4 * (channels + 1)
    if needed > memory_bytes():
        raise InputError(
            f"{volume.path} is too large for a spacing of "
            f"{_joined(spacing_mm, 'g')} mm: its voxels of "
            f"{_joined(volume.spacing_mm, '.4g')} mm would become "
            f"{needed / 2**30:.1f} GiB, this machine has "
            f"{memory_bytes() / 2**30:.1f} GiB"
        )


def check_extent(volume, spacing_mm):
    """Raises InputError if a `Volume` is less than one voxel of `spacing_mm`."""
    if spacing_mm is None:
        return
    extent_mm = volume.spacing_mm * volume.grid_shape
    if (extent_mm < min(spacing_mm)).all():
        raise InputError(
            f"{volume.path} measures {_joined(extent_mm)} mm, less than one voxel "
            f"of {_joined(spacing_mm)} mm; is its affine in the unit that its header "
            "tells?"
        )


def _joined(values, number_format=".3g"):
    return " x ".join(format(value, number_format) for value in values)


def memory_bytes():
    """Memory that this process may have; infinite if the system does not tell."""
    limits = [math.inf]
    with contextlib.suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            limits.append(int(pathlib.Path(path).read_text()))
    return min(limits)
