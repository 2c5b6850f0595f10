"""Checks the shape, spacing and affine in the header of a file."""

import dataclasses

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    LARGEST_SPACING_OF_METRES_MM,
    SMALLEST_SPACING_MM,
    SMALLEST_UNIT_VOLUME,
)


@dataclasses.dataclass(frozen=True)
class LengthUnit:
    """A unit of length that a header may have.

    Attributes:
        name: its name, for messages.
        mm: its length in millimetres.
    """

    name: str
    mm: float = 1.0

    @property
    def largest_spacing_mm(self):
        """Largest spacing of a file with this unit.

        It is small for metres, because some files say metre and mean millimetre.
        """
        return LARGEST_SPACING_MM if self.mm <= 1.0 else LARGEST_SPACING_OF_METRES_MM

    def note(self, path):
        """Writes the note about a file that has this unit."""
        return f"{path}: the unit of length is {self.name}, it is converted to mm"


MILLIMETRE = LengthUnit("millimetre")


def in_millimetres(affine, unit):
    """Converts an affine (4, 4) of a unit to float64 in millimetres."""
    affine = np.array(affine, np.float64)
    affine[:3] *= unit.mm
    return affine


def check_shape(path, shape):
    """Raises InputError unless a file holds a 3D volume, with channels or without."""
    size = "x".join(map(str, shape))
    if shape and min(shape) < 1:
        raise InputError(f"{path} has no voxels ({size})")
    if len(shape) not in (3, 4):
        raise InputError(
            f"{path} is {len(shape)}D ({size}), expected a 3D volume, or a 4D one "
            "with channels last"
        )


def check_spacing(path, spacing_mm, unit=MILLIMETRE):
    """Raises InputError unless a header's voxel sizes are those of a scan.

    `spacing_mm` (3,) is in millimetres, whatever `LengthUnit` the header has.
    """
    values = [float(value) for value in spacing_mm]
    largest = unit.largest_spacing_mm
    if not all(SMALLEST_SPACING_MM <= v <= largest for v in values):
        hint = "" if unit == MILLIMETRE else f" (its unit of length is {unit.name})"
        raise InputError(
            f"{path} has the spacing {' x '.join(f'{v:g}' for v in values)} mm{hint}, "
            f"expected {SMALLEST_SPACING_MM:g} to {largest:g} mm"
        )


def check_affine(path, affine, unit=MILLIMETRE):
    """Raises InputError unless an affine (4, 4) is finite and can be inverted.

    `affine` is in millimetres, whatever `LengthUnit` the file has.
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
