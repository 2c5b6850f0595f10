"""Writing label maps and maps over a scan, in every format that holds its grid."""

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
# What a label map may be named as.
ENDINGS = (*nifti.ENDINGS, *_MGH, *_ITK)


class FormatError(InputError):
    """A format cannot hold what is to be written."""


def ending_of(path):
    """The ending of a file that can be written, longest first, or None."""
    name = str(path).lower()
    fitting = [ending for ending in ENDINGS if name.endswith(ending)]
    return max(fitting, key=len, default=None)


def files_of(path):
    """All files that are written for one: .mhd has its voxels in another."""
    path = pathlib.Path(path)
    return [path] if ending_of(path) != ".mhd" else [path.with_suffix(".zraw"), path]


def check_can_write(path):
    """Raises InputError where a library that a format needs is not installed."""
    if ending_of(path) in _ITK:
        simpleitk.load_simpleitk(path)


def write_label(path, label, like):
    """Writes class ids on the grid of another file.

    Args:
        path: to write, of one of `ENDINGS`; there whole or not at all.
        label: integer (i, j, k), not negative.
        like: file, or folder of DICOM slices, whose shape and affine to take, and
            both forms with units and codes where both are NIfTI.

    Raises:
        InputError: if `like` cannot be read, or the format does not hold its grid.
        ValueError: if `label` does not have its shape.

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
        path: to write, of one of `ENDINGS`.
        array: (i, j, k), whole numbers that are not negative, or float32.
        like: `volume.Volume` of the scan. Where both are NIfTI, its file's header
            tells the place in the world, both forms; else its affine does.

    Raises:
        FormatError: the format does not hold this grid, or these numbers.
        ValueError: `array` does not have the scan's shape.
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
    # ITK gives them the names that go with the header's, which comes last.
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
        # ITK does not tell of a disk that is full.
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
    """Raises FormatError where a file has another grid than the scan."""
    distance_mm = corner_distance(affine, like.affine, like.grid_shape)
    if not distance_mm <= GRID_TOLERANCE * like.spacing_mm.min():
        raise FormatError(
            f"{ending_of(path)} cannot hold the grid of {like.path}: its corners would "
            f"lie {distance_mm:.3g} mm off; name a file in .nii.gz"
        )
