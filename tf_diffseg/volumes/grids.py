"""Whether two volumes lie on one grid."""

import dataclasses

import numpy as np

from tf_diffseg.errors import InputError

# Two volumes are on one grid if no corner is off by more, in voxels.
GRID_TOLERANCE = 0.1
# Less is not even told: headers hold float32 numbers of hundreds of millimetres.
_ROUNDING_ERROR = 1e-3


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
