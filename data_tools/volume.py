"""A volume of voxels with its place in the world, and what holds of any."""

import dataclasses
import math
import os

import numpy as np

from data_tools.errors import InputError

# Two volumes are on one grid if no corner is off by more, in voxels.
_GRID_TOLERANCE = 0.1


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as its file has it.

    Attributes:
        path: of the file.
        array: (i, j, k), or (i, j, k, channels) for images.
        affine: float64 (4, 4), voxel to world in mm.
    """

    path: str
    array: np.ndarray
    affine: np.ndarray

    @property
    def grid_shape(self):
        """Voxels (3,) along i, j and k."""
        return self.array.shape[:3]

    @property
    def spacing_mm(self):
        """Voxel size (3,) along i, j and k."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def check_affine(path, affine):
    """Raises InputError unless an affine (4, 4) gives voxels a volume."""
    axes = affine[:3, :3]
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(axes) < 3:
        raise InputError(
            f"{path} has an affine without volume, its voxel size is "
            f"{tuple(np.linalg.norm(axes, axis=0).tolist())} mm"
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


def memory_bytes():
    """Physical memory, or no limit where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def check_same_grid(image, other, whose="its image"):
    """Raises InputError unless two `Volume`s lie on one grid.

    Args:
        image: a `Volume`.
        other: another, which the message blames.
        whose: what the first is to the other, for the message.
    """
    if image.grid_shape != other.grid_shape:
        raise InputError(
            f"{other.path} has shape {other.grid_shape}, "
            f"{whose} {image.path} has {image.grid_shape}"
        )
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.grid_shape) - 1)
    matrix = image.affine - other.affine
    offset_mm = np.linalg.norm(corners @ matrix[:3, :3].T + matrix[:3, 3], axis=1)
    if offset_mm.max() > _GRID_TOLERANCE * image.spacing_mm.min():
        raise InputError(
            f"{other.path} and {whose} {image.path} have different affines, "
            f"their corners lie up to {offset_mm.max():.3g} mm apart"
        )
