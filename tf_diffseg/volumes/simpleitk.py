"""SimpleITK, which an extra installs, and its geometry in this project's terms."""

import re

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line


def reason_to_install(path, library, error):
    """What to tell where a library is missing that a file needs."""
    return f"{path} needs {library}: pip install 'tf_diffseg[itk]' ({error})"


def load_simpleitk(path):
    """Imports SimpleITK.

    Args:
        path: of the file that needs it, for the message.

    Returns:
        The module.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise InputError(reason_to_install(path, "SimpleITK", error)) from error
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def header_of(sitk, path, image_io):
    """Reads the header of one file.

    Args:
        sitk: from `load_simpleitk`.
        path: of the file.
        image_io: name of SimpleITK's class for the format.

    Returns:
        A `SimpleITK.ImageFileReader` that has read the file's header.

    Raises:
        InputError: if it cannot.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(image_io)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as {_FORMATS[image_io]}: {reason_of(error)}"
        ) from error
    return reader


_FORMATS = {
    "NrrdImageIO": "NRRD",
    "MetaImageIO": "MetaImage",
}


def reason_of(error):
    """What is wrong, out of an error that also tells where in ITK's source."""
    reason = re.split(r"(?i)itk(?:::| )ERROR: ", one_line(error))[-1]
    return re.sub(r"\(0x[0-9a-f]+\)", "", reason)[:300]  # of objects in memory


def affine_of(origin, directions, spacing_mm):
    """Voxel to world in RAS+ from ITK's description in LPS+.

    Args:
        origin: (3,) centre of the first voxel in mm.
        directions: (3, 3), a unit vector per voxel axis in each column.
        spacing_mm: (3,).

    Returns:
        float64 (4, 4).
    """
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(directions, (3, 3)) * np.asarray(spacing_mm)
    affine[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def description_of(affine):
    """ITK's description in LPS+ of voxel to world in RAS+; undoes `affine_of`.

    Args:
        affine: float64 (4, 4).

    Returns:
        `(origin, directions, spacing_mm)`, tuples of 3, 9 and 3 numbers.
    """
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing_mm = np.linalg.norm(matrix[:3, :3], axis=0)
    directions = matrix[:3, :3] / spacing_mm
    return tuple(matrix[:3, 3]), tuple(directions.ravel()), tuple(spacing_mm)
