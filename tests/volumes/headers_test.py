"""Limits of the affine of a scan, at their values."""

import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.headers import LengthUnit, check_affine, check_spacing

_METRE = LengthUnit("metre", 1000.0)


@pytest.mark.parametrize(
    "unit, smallest, largest",
    [(LengthUnit("millimetre"), 1e-5, 1000.0), (_METRE, 1e-5, 100.0)],
)
def test_voxels_are_those_of_a_microscope_or_of_a_body(unit, smallest, largest):
    check_spacing("a.nii", (smallest, 1.0, largest), unit)
    for spacing_mm in [(0.99 * smallest, 1, 1), (1, 1.01 * largest, 1), (1, 1, np.nan)]:
        with pytest.raises(InputError, match=f"expected 1e-05 to {largest:g} mm"):
            check_spacing("a.nii", spacing_mm, unit)


def test_voxel_axes_may_be_oblique_but_not_in_one_plane():
    def affine(volume):
        """Axes of lengths 1, 2 and 3 mm whose unit vectors span a volume."""
        affine = np.eye(4)
        affine[:3, 1] = 2.0 * np.array([np.sqrt(1.0 - volume**2), volume, 0.0])
        affine[2, 2] = 3.0
        return affine

    check_affine("a.nii", affine(0.0101))
    with pytest.raises(InputError, match="lie in one plane"):
        check_affine("a.nii", affine(0.0099))
