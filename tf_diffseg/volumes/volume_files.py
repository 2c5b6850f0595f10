"""Images, label maps and cases from files of any format that can be read."""

import dataclasses
import itertools
import os
import stat

import numpy as np

from tf_diffseg.errors import InputError, reading_error
from tf_diffseg.text import shown
from tf_diffseg.volumes import (
    dicom_series,
    itk_files,
    mgh,
    nibabel_volume,
    nifti,
)
from tf_diffseg.volumes.dicom_files import is_dicom
from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS
from tf_diffseg.volumes.grids import check_same_grid

# Float label files hold 0.9999 for 1: some tools resample and scale labels.
_ROUNDING = 1e-3

# Voxels along the first and the third axis that are copied together.
_BLOCK = (32, 8)

# Each has ENDINGS, and read(path, dtype) that gives a `Volume`.
_READERS = (
    nifti,
    mgh,
    itk_files,
)


def read_volume(path, dtype=None):
    """Reads a file of any known format as it is stored.

    Args:
        path: of the file, or of a folder with a DICOM series, or of a file of one.
        dtype: of floating point numbers to compute in; None keeps the exact type.
            Whole numbers that are not scaled stay as they are stored.

    Returns:
        `volume.Volume` of (i, j, k) or (i, j, k, channels), which may hold NaNs.

    Raises:
        InputError: if there is no such file, its format is not known, or its
            reader refuses it.

    Example:
        >>> volume = read_volume("image.nii.gz")
        >>> volume.array.shape, volume.affine.shape
        ((12, 12, 8), (4, 4))
    """
    _check_is_there(path)
    if os.path.isdir(path):
        return dicom_series.read(path, dtype)
    for reader in _READERS:
        if str(path).lower().endswith(reader.ENDINGS):
            return reader.read(path, dtype)
    if is_dicom(path):
        return dicom_series.read(path, dtype)
    raise InputError(
        f"{path} is of no known format, expected {', '.join(VOLUME_ENDINGS)} or a "
        f"DICOM series, its folder or any of its files{_known_by_name(path)}"
    )


# What people have and what to do with it.
_OTHER_FORMATS = {
    (".hdr", ".img"): (
        "it is one of the two files of NIfTI or ANALYZE: convert them to one .nii, "
        "ANALYZE where its orientation is known"
    ),
    (".mhd", ".nhdr"): "its voxels lie in another file: convert them to .mha or .nrrd",
    (".mnc",): "it is MINC: convert it to .nii",
}
UNREAD_ENDINGS = tuple(itertools.chain.from_iterable(_OTHER_FORMATS))


def _known_by_name(path):
    for endings, advice in _OTHER_FORMATS.items():
        if str(path).lower().endswith(endings):
            return f"; {advice}"
    return ""


def _check_is_there(path):
    """Raises InputError unless there is a file or folder, and no pipe or device."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, ValueError) as error:  # a NUL in its name
        is_link = os.path.islink(path)
        target = f", it is a link to {os.readlink(path)}" if is_link else ""
        raise InputError(f"{path} does not exist{target}") from error
    except OSError as error:
        raise reading_error(
            f"{path} cannot be read: {error.strerror}", error
        ) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading one would not end
        raise InputError(f"{path} is not a regular file")


def read_image(paths):
    """Reads an image, its intensities scaled as the header says.

    Args:
        paths: one file, or several whose channels are put together in this order.

    Returns:
        `Volume` of float32 (i, j, k, channels), with the path and the grid of
        the first file.

    Raises:
        InputError: if a file is missing, damaged, of no known format, not a 3D
            volume or a 4D one with channels last, not finite or without a usable
            affine, or if the files lie on different grids.

    Example:
        >>> image = read_image("image.nii.gz")
        >>> image.array.shape  # Channels come last.
        (12, 12, 8, 1)
    """
    paths = [paths] if isinstance(paths, str) or hasattr(paths, "__fspath__") else paths
    volumes = [_as_image(read_volume(path, np.float32)) for path in paths]
    remarks = [
        remark
        for volume in volumes[1:]
        for remark in check_same_grid(volumes[0], volume, "the first channel's file")
    ]
    if len(volumes) == 1:
        return volumes[0]
    return dataclasses.replace(
        volumes[0],
        array=np.concatenate([volume.array for volume in volumes], axis=-1),
        notes=tuple(note for volume in volumes for note in volume.notes),
        remarks=tuple(remarks),
    )


def image_of(image):
    """As `read_image`, of an image that nibabel holds.

    Args:
        image: of nibabel, (i, j, k) or (i, j, k, channels).

    Returns:
        `Volume` of float32 (i, j, k, channels).

    Raises:
        InputError: if `read_image` would refuse a file of it.
    """
    return _as_image(nibabel_volume.volume_of(image, np.float32))


def _as_image(volume):
    stored = volume.array
    channels = stored if stored.ndim == 4 else stored[..., np.newaxis]
    with np.errstate(over="ignore"):  # a float64 may be too large: infinite, refused
        array = in_c_order(channels, np.float32)
    if stored.dtype.kind == "f":
        check_finite(volume.path, array)
    return dataclasses.replace(volume, array=array)


def in_c_order(array, dtype):
    """An array in C order, as TensorFlow has it; files have voxels in Fortran order.

    By blocks whose lines stay in the processor's cache until all their voxels are
    copied: twice as fast as all at once.

    Args:
        array: (i, j, k, ...).
        dtype: to convert to.
    """
    if array.flags.c_contiguous:
        return array.astype(dtype, copy=False)
    ordered = np.empty(array.shape, dtype)
    for i in range(0, array.shape[0], _BLOCK[0]):
        for k in range(0, array.shape[2], _BLOCK[1]):
            block = np.s_[i : i + _BLOCK[0], :, k : k + _BLOCK[1]]
            ordered[block] = array[block]
    return ordered


def check_finite(path, array):
    """Raises InputError if voxels are NaN or infinite."""
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise InputError(f"{path} has {bad} voxel(s) that are NaN or infinite")


def read_label(path):
    """Reads a label map, whatever number type the file has.

    Args:
        path: of the file.

    Returns:
        `Volume` of (i, j, k), with the values of the file: int32, or a smaller
        type of whole numbers that the file has.

    Raises:
        InputError: as `read_image`, or if there are several channels, or a value
            is further than 0.001 from a whole number or no int32.
    """
    volume = read_volume(path)
    array, notes = whole_numbers(path, volume.array)
    remarks = tuple(("labels", note) for note in notes)
    return dataclasses.replace(volume, array=array, remarks=remarks)


def whole_numbers(path, array):
    """Label values of any number type as integers.

    Args:
        path: of their file, for messages.
        array: (i, j, k) as `read_volume` gives it.

    Returns:
        `(array, notes)`: (i, j, k) as `read_label` gives it, and what tells of values
        that were rounded.

    Raises:
        InputError: as `read_label`.
    """
    if array.ndim != 3:
        size = "x".join(map(str, array.shape))
        raise InputError(f"{path} is {array.ndim}D ({size}), a label map must be 3D")
    notes: tuple[str, ...] = ()
    if array.dtype.kind == "f":
        check_finite(path, array)
        rounded = np.rint(array)
        off = np.abs(array - rounded)
        if off.max() > _ROUNDING:
            raise InputError(
                f"{path} holds the label value {array[off > _ROUNDING][0]:g}, expected "
                "whole numbers"
            )
        if off.max() > 0:
            notes = (f"{path}: label values up to {off.max():.2g} off are rounded",)
        array = rounded
    limits = np.iinfo(np.int32)
    for value in (array.min(), array.max()):
        if not limits.min <= value <= limits.max:
            raise InputError(
                f"{path} holds the label value {value:g}, expected whole numbers "
                f"up to {limits.max}"
            )
    is_small = array.dtype.kind in "iu" and np.can_cast(array.dtype, np.int32)
    dtype = array.dtype.newbyteorder("=") if is_small else np.int32
    return in_c_order(array, dtype), notes


def read_case(case, num_channels):
    """Reads the image and the label of a case.

    Args:
        case: `dataset.Case`.
        num_channels: that its data set declares.

    Returns:
        `(image, label)`: `Volume`s of float32 (i, j, k, channels) and whole numbers
        (i, j, k), as `read_label` gives them, on one grid.

    Raises:
        InputError: as `read_image` and `read_label`, or if the number of channels
            differs or the grids do.
    """
    image = read_image(case.image_paths)
    if image.array.shape[-1] != num_channels:
        raise InputError(
            f"case {shown(case.uid)}: {', '.join(case.image_paths)} has "
            f"{image.array.shape[-1]} channel(s), the data set declares {num_channels}"
        )
    label = read_label(case.label_path)
    remarks = check_same_grid(image, label)
    return image, dataclasses.replace(label, remarks=remarks + label.remarks)
