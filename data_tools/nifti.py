"""Reading and writing NIfTI volumes, with every way a file can be wrong."""

import os
import zlib

import nibabel as nib
import numpy as np

from data_tools.errors import InputError
from data_tools.volume import Volume, check_affine, check_size

# What nibabel raises on headers that are damaged or of something else.
_HEADER_ERRORS = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    zlib.error,
)

# No byte of a deflate stream stands for more, see https://zlib.net/zlib_tech.html.
_LARGEST_COMPRESSION = 1032


def _load(path):
    """Opens a file and checks all that its header tells."""
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist")
    if not str(path).lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is not NIfTI, expected a .nii or .nii.gz file")
    try:
        volume = nib.load(path)
        shape = _shape(volume)
    except _HEADER_ERRORS as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as NIfTI: {reason}") from error
    # `Nifti2Image` is one too; CIFTI in a .dscalar.nii is not.
    if not isinstance(volume, nib.Nifti1Image):
        raise InputError(
            f"{path} is not NIfTI but a {type(volume).__name__}, expected a .nii or "
            ".nii.gz file"
        )
    if len(shape) not in (3, 4) or min(shape) < 1:
        size = "x".join(map(str, shape))
        raise InputError(
            f"{path} is {len(shape)}D ({size}), expected a 3D volume, or a 4D one "
            "with channels last"
        )
    check_affine(path, volume.affine)
    return volume


def _shape(volume):
    """Shape without trailing axes of 1: (i, j, k, 1) is one channel."""
    shape = tuple(map(int, volume.shape))
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _largest_content(path):
    """Bytes that a file can hold at most, once decompressed."""
    size = os.path.getsize(path)
    return size * _LARGEST_COMPRESSION if str(path).lower().endswith(".gz") else size


def read(path, dtype=None):
    """Reads a volume as it is stored, scaled as the header says.

    Args:
        path: a .nii or .nii.gz file.
        dtype: of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: if the file is missing, damaged, not NIfTI, of another shape or
            without a usable affine.
    """
    volume = _load(path)
    shape, stored = _shape(volume), volume.get_data_dtype()
    if stored.kind not in "buif":
        raise InputError(f"{path} holds {stored} voxels, expected numbers")
    check_size(path, shape, stored.itemsize, _largest_content(path))
    try:
        with np.errstate(over="ignore"):  # who wants finite voxels looks at them
            array = np.asarray(volume.dataobj, dtype).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit in memory: {error}") from error
    return Volume(str(path), array, volume.affine)


def write_label(path, label, like):
    """Writes class ids on the grid of another file, with that file's header.

    Args:
        path: a .nii or .nii.gz file to write.
        label: integer (i, j, k), not negative.
        like: file whose shape, affine, units and codes to take.

    Raises:
        InputError: if `like` cannot be read.
        ValueError: if `label` does not have its shape.
    """
    reference = _load(like)
    label = np.asarray(label)
    shape = _shape(reference)[:3]
    if label.shape != shape:
        raise ValueError(
            f"label must have the shape {shape} of {like}, got {label.shape}"
        )
    smallest = np.min_scalar_type(int(label.max(initial=0)))
    header = reference.header.copy()
    header.set_data_dtype(smallest)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 0  # the image's display window
    header.set_intent("label")
    written = type(reference)(label.astype(smallest), reference.affine, header)
    nib.save(written, path)
