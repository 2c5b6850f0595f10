"""Imports SimpleITK, an optional library, and converts its geometry."""

import re

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line


def reason_to_install(path, library, error):
    """Writes how to install a library that a file needs."""
    return f"{path} needs {library}: pip install 'tf_diffseg[itk]' ({error})"


def load_simpleitk(path):
    """Imports SimpleITK to read the file `path`; raises InputError without it."""
    try:
        import SimpleITK
    except ImportError as error:
        raise InputError(reason_to_install(path, "SimpleITK", error)) from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def reason_of(error):
    """Returns what an error of ITK says, without the place in ITK's source."""
    reason = re.split(r"(?i)itk(?:::| )ERROR: ", one_line(error))[-1]
    return re.sub(r"\(0x[0-9a-f]+\)", "", reason)[:300]  # addresses in memory


def affine_of(origin, directions, spacing_mm):
    """Makes an affine, voxel to world in RAS+, of ITK's description in LPS+.

    Args:
        origin: (3,), centre of the first voxel in mm.
        directions: (3, 3); each column is the unit vector of a voxel axis.
        spacing_mm: (3,).

    Returns:
        float64 (4, 4).
    """
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(directions, (3, 3)) * np.asarray(spacing_mm)
    affine[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def description_of(affine):
    """Undoes `affine_of`.

    Returns:
        `(origin, directions, spacing_mm)`, tuples of 3, 9 and 3 numbers.
    """
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing_mm = np.linalg.norm(matrix[:3, :3], axis=0)
    directions = matrix[:3, :3] / spacing_mm
    return tuple(matrix[:3, 3]), tuple(directions.ravel()), tuple(spacing_mm)
