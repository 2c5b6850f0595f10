"""Writes label maps and maps of numbers on the grid of a scan, in several formats."""

import errno
import os
import pathlib

import nibabel as nib
import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import nifti, simpleitk
from tf_diffseg.volumes.grids import GRID_TOLERANCE, corner_distance
from tf_diffseg.volumes.result_image import (
    image_like,
    nifti_like,
    nifti_of,
    smallest_type,
)
from tf_diffseg.volumes.volume_files import read_volume
from tf_diffseg.whole_files import whole_files

_MGH = (".mgz", ".mgh")
_ITK = (".nrrd", ".mha", ".mhd")
# Endings that a label map may have.
ENDINGS = (*nifti.ENDINGS, *_MGH, *_ITK)


class FormatError(InputError):
    """A format cannot hold the grid or the numbers."""


def ending_of(path):
    """Returns the longest of `ENDINGS` that a path has, or None."""
    name = str(path).lower()
    fitting = [ending for ending in ENDINGS if name.endswith(ending)]
    return max(fitting, key=len, default=None)


def files_of(path):
    """Lists all files that are written for a path; .mhd has its voxels in another."""
    path = pathlib.Path(path)
    return [path] if ending_of(path) != ".mhd" else [path.with_suffix(".zraw"), path]


def check_can_write(path):
    """Raises InputError if a library that the format needs is not installed."""
    if ending_of(path) in _ITK:
        simpleitk.load_simpleitk(path)


def write_label(path, label, like):
    """Writes class ids on the grid of another file.

    Args:
        path: path of the file to write, with one of `ENDINGS`. The file appears whole
            or not at all.
        label: integer (i, j, k), not negative.
        like: file, or folder of DICOM slices, with the shape and the affine to take. If
            both files are NIfTI, units and both forms with their codes are kept too.

    Raises:
        InputError: `like` cannot be read, or the format cannot hold its grid.
        ValueError: `label` does not have the shape of `like`.

    Example:
        >>> label = np.zeros([12, 12, 8], np.uint8)
        >>> write_label("label.nii.gz", label, like="image.nii.gz")
    """
    with whole_files() as whole:
        write_result(whole, path, smallest_type(label), read_volume(like))


def write_result(whole, path, array, like):
    """Writes a label map or a map of numbers on the grid of a scan.

    Args:
        whole: from `whole_files.whole_files`, which gives the files their names.
        path: path of the file to write, with one of `ENDINGS`.
        array: (i, j, k), whole numbers that are not negative, or float32.
        like: `volume.Volume` of the scan. If both files are NIfTI, the header of its
            file gives the place in the world, with both forms; else its affine does.

    Raises:
        FormatError: the format cannot hold this grid or these numbers.
        ValueError: `array` does not have the shape of the scan.
    """
    if array.shape != like.grid_shape:
        raise ValueError(
            f"label must have the shape {like.grid_shape} of {like.path}, got "
            f"{array.shape}"
        )
    ending = ending_of(path)
    if ending in _ITK:
        _write_itk(whole, path, array, like)
        return
    image = _nifti(array, like) if ending in nifti.ENDINGS else _mgh(array, like)
    with whole(path) as temporary:
        nib.save(image, temporary)
    if ending not in nifti.ENDINGS:
        _check_grid(path, nib.load(temporary).affine, like)


def _nifti(array, like):
    is_file = like.path.lower().endswith(nifti.ENDINGS) and os.path.isfile(like.path)
    if not is_file:
        return nifti_of(array, like.affine)
    return nifti_like(array, nifti.load(like.path))


def _mgh(array, like):
    try:
        return image_like(array, nib.MGHImage(np.zeros((1, 1, 1), "u1"), like.affine))
    except ValueError as error:
        raise FormatError(str(error)) from error


def _write_itk(whole, path, array, like):
    sitk = simpleitk.load_simpleitk(path)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    origin, directions, spacing_mm = simpleitk.description_of(like.affine)
    image.SetOrigin(origin)
    image.SetSpacing(spacing_mm)
    image.SetDirection(directions)
    *others, _ = files_of(path)
    # ITK names the other files after the header's file, which is the last one.
    for other in others:
        with whole(other):
            pass
    with whole(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
            written = sitk.ReadImage(str(temporary))
        except RuntimeError as error:
            reason = simpleitk.reason_of(error)
            raise OSError(errno.EIO, reason, str(temporary)) from error
        # ITK does not report a full disk.
        if not np.array_equal(sitk.GetArrayViewFromImage(written), array.T):
            raise OSError(errno.EIO, "it is not whole", str(temporary))
        for other in others:
            text = temporary.read_bytes()
            name = temporary.with_suffix(other.suffix).name.encode()
            temporary.write_bytes(text.replace(name, other.name.encode()))
    affine = simpleitk.affine_of(
        written.GetOrigin(), written.GetDirection(), written.GetSpacing()
    )
    _check_grid(path, affine, like)


def _check_grid(path, affine, like):
    """Raises FormatError if a written file has another grid than the scan."""
    distance_mm = corner_distance(affine, like.affine, like.grid_shape)
    if not distance_mm <= GRID_TOLERANCE * like.spacing_mm.min():
        raise FormatError(
            f"{ending_of(path)} cannot hold the grid of {like.path}: its corners would "
            f"lie {distance_mm:.3g} mm off; name a file in .nii.gz"
        )
