"""A volume of voxels with its place in the world, and what holds of any."""

import contextlib
import dataclasses
import math
import os
import pathlib

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    LARGEST_SPACING_OF_METRES_MM,
    SMALLEST_SPACING_MM,
    SMALLEST_UNIT_VOLUME,
)

# Two volumes are on one grid if no corner is off by more, in voxels.
GRID_TOLERANCE = 0.1
# Less is not even told: headers hold float32 numbers of hundreds of millimetres.
_ROUNDING_ERROR = 1e-3

# Where Linux tells how much memory this process may have, version 2 and 1.
_MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@dataclasses.dataclass(frozen=True)
class LengthUnit:
    """A unit of length that a header may have.

    Attributes:
        name: in words, for messages.
        mm: how many millimetres it is.
    """

    name: str
    mm: float = 1.0

    @property
    def largest_spacing_mm(self):
        """A voxel of this unit is no larger.

        Files of ordinary scans exist that say metre and mean millimetre.
        """
        return LARGEST_SPACING_MM if self.mm <= 1.0 else LARGEST_SPACING_OF_METRES_MM

    def note(self, path):
        """What to tell of a file that has this unit."""
        return f"{path}: the unit of length is {self.name}, it is converted to mm"


MILLIMETRE = LengthUnit("millimetre")


def in_millimetres(affine, unit):
    """An affine (4, 4) of another unit, as float64 in millimetres."""
    affine = np.array(affine, np.float64)
    affine[:3] *= unit.mm
    return affine


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as its file has it.

    Attributes:
        path: of the file.
        array: (i, j, k), or (i, j, k, channels) for images.
        affine: float64 (4, 4), voxel to world (RAS+) in mm.
        notes: what is odd about the file without being wrong.
        remarks: pairs of what was looked at and what was found odd about the file
            beside others, or about its values, as `verification` tells them.
    """

    path: str
    array: np.ndarray
    affine: np.ndarray
    notes: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()

    @property
    def grid_shape(self):
        """Voxels (3,) along i, j and k."""
        return self.array.shape[:3]

    @property
    def spacing_mm(self):
        """Voxel size (3,) along i, j and k."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def check_shape(path, shape):
    """Raises InputError unless a file holds a 3D volume, of channels or not."""
    size = "x".join(map(str, shape))
    if shape and min(shape) < 1:
        raise InputError(f"{path} has no voxels ({size})")
    if len(shape) not in (3, 4):
        raise InputError(
            f"{path} is {len(shape)}D ({size}), expected a 3D volume, or a 4D one "
            "with channels last"
        )


def check_spacing(path, spacing_mm, unit=MILLIMETRE):
    """Raises InputError unless a header's voxel sizes (3,) can be lengths.

    Args:
        path: of the file.
        spacing_mm: (3,), in millimetres whatever the unit.
        unit: `LengthUnit` in which the header has them.
    """
    values = [float(value) for value in spacing_mm]
    largest = unit.largest_spacing_mm
    if not all(SMALLEST_SPACING_MM <= v <= largest for v in values):
        told = "" if unit == MILLIMETRE else f" (its unit of length is {unit.name})"
        raise InputError(
            f"{path} has the spacing {' x '.join(f'{v:g}' for v in values)} mm{told}, "
            f"expected {SMALLEST_SPACING_MM:g} to {largest:g} mm"
        )


def check_affine(path, affine, unit=MILLIMETRE):
    """Raises InputError unless an affine (4, 4) is finite and can be inverted.

    Args:
        path: of the file.
        affine: voxel to world, in millimetres whatever the unit.
        unit: `LengthUnit` in which the file has it.
    """
    if not np.isfinite(affine).all():
        raise InputError(f"{path} has an affine with values that are NaN or infinite")
    axes = affine[:3, :3].astype(np.float64)
    spacing_mm = np.linalg.norm(axes, axis=0)
    check_spacing(path, spacing_mm, unit)
    if abs(np.linalg.det(axes / spacing_mm)) < SMALLEST_UNIT_VOLUME:
        raise InputError(
            f"{path} has a singular affine: its voxel axes "
            f"{np.round(axes.T, 3).tolist()} lie in one plane"
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


@dataclasses.dataclass(frozen=True)
class GridDifference:
    """In what two grids differ.

    Attributes:
        aspect: "shape", "spacing", "orientation" or "origin".
        message: one line that names both files.
        is_error: False where the difference is below a tenth of a voxel.
    """

    aspect: str
    message: str
    is_error: bool = True


def corner_distance(affine, other, shape):
    """Largest distance of one corner of a grid (i, j, k) under two affines (4, 4)."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    matrix = affine - other
    return np.linalg.norm(corners @ matrix[:3, :3].T + matrix[:3, 3], axis=1).max()


def grid_difference(image, other, whose="its image"):
    """Compares the grids of two volumes.

    Args:
        image: a `Volume`.
        other: another, which the message blames.
        whose: what the first is to the other, for the message.

    Returns:
        A `GridDifference`, or None where there is nothing but rounding.
    """
    if image.grid_shape != other.grid_shape:
        return GridDifference(
            "shape",
            f"{other.path} has shape {other.grid_shape}, "
            f"{whose} {image.path} has {image.grid_shape}",
        )
    offset_mm = corner_distance(image.affine, other.affine, image.grid_shape)
    matrix = image.affine - other.affine
    voxel_mm = image.spacing_mm.min()
    if offset_mm <= _ROUNDING_ERROR * voxel_mm:
        return None
    if not np.allclose(image.spacing_mm, other.spacing_mm, rtol=1e-3):
        aspect = "spacing"
    elif not np.allclose(matrix[:3, :3], 0.0, atol=1e-3 * voxel_mm):
        aspect = "orientation"
    else:
        aspect = "origin"
    return GridDifference(
        aspect,
        f"{other.path} and {whose} {image.path} have different affines (in {aspect}), "
        f"their corners lie up to {offset_mm:.3g} mm apart",
        bool(offset_mm > GRID_TOLERANCE * voxel_mm),
    )


def check_same_grid(image, other, whose="its image"):
    """Raises InputError unless two `Volume`s lie on one grid.

    Args:
        image: a `Volume`.
        other: another, which the message blames.
        whose: what the first is to the other, for the message.

    Returns:
        Remarks, as a `Volume` has them, on a difference too small to refuse.
    """
    difference = grid_difference(image, other, whose)
    if difference is None:
        return ()
    if difference.is_error:
        raise InputError(difference.message)
    return ((difference.aspect, difference.message),)
