"""Compares the grids of two volumes."""

import dataclasses

import numpy as np

from tf_diffseg.errors import InputError

# Two volumes lie on one grid if their corners are no farther apart, in voxels.
GRID_TOLERANCE = 0.1
# Smaller differences are not reported: headers hold hundreds of mm in float32.
_ROUNDING_ERROR = 1e-3


@dataclasses.dataclass(frozen=True)
class GridDifference:
    """How two grids differ.

    Attributes:
        aspect: "shape", "spacing", "orientation" or "origin".
        message: one line that names both files.
        is_error: False if the difference is below a tenth of a voxel.
    """

    aspect: str
    message: str
    is_error: bool = True


def corner_distance(affine, other, shape):
    """Largest distance that two affines (4, 4) put between corners of a grid (3,)."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(shape) - 1)
    matrix = affine - other
    return np.linalg.norm(corners @ matrix[:3, :3].T + matrix[:3, 3], axis=1).max()


def grid_difference(image, other, whose="its image"):
    """Compares the grids of two volumes.

    Args:
        image: a `Volume`.
        other: another `Volume`. The message says that it differs.
        whose: what `image` is to `other`, for the message.

    Returns:
        A `GridDifference`, or None if the grids differ by rounding only.
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
    """Raises InputError unless two volumes lie on one grid; see `grid_difference`.

    Returns:
        `remarks` of a `Volume` about a difference that is too small to refuse.
    """
    difference = grid_difference(image, other, whose)
    if difference is None:
        return ()
    if difference.is_error:
        raise InputError(difference.message)
    return ((difference.aspect, difference.message),)
