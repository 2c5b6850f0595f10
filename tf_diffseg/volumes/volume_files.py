"""Reads images, label maps and cases from files of any known format."""

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
    pictures,
)
from tf_diffseg.volumes.dicom_files import is_dicom
from tf_diffseg.volumes.file_endings import READ_ENDINGS
from tf_diffseg.volumes.grids import check_same_grid

# Some tools resample and scale labels, so that float files hold 0.9999 for 1.
_ROUNDING = 1e-3

# Number of voxels along the first and the third axis that are copied together.
_BLOCK = (32, 8)

# Each has ENDINGS, and read(path, dtype) that returns a `Volume`.
_READERS = (
    nifti,
    mgh,
    itk_files,
    pictures,
)


def read_volume(path, dtype=None):
    """Reads a file of any known format as it is stored.

    Args:
        path: path of the file, of a folder with a DICOM series, or of one of its
            files.
        dtype: type of floating point numbers to compute in; None keeps the exact type.
            Whole numbers that are not scaled stay as they are stored.

    Returns:
        `volume.Volume` of (i, j, k) or (i, j, k, channels), which may hold NaNs.

    Raises:
        InputError: there is no such file, its format is not known, or its reader
            refuses it.

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
        f"{path} is of no known format, expected {', '.join(READ_ENDINGS)} or a "
        f"DICOM series, its folder or any of its files{_advice(path)}"
    )


# Formats that are not read, with advice.
_OTHER_FORMATS = {
    (".hdr", ".img"): (
        "it is one of the two files of NIfTI or ANALYZE: convert them to one .nii, "
        "ANALYZE where its orientation is known"
    ),
    (".mhd", ".nhdr"): "its voxels lie in another file: convert them to .mha or .nrrd",
    (".mnc",): "it is MINC: convert it to .nii",
}
UNREAD_ENDINGS = tuple(itertools.chain.from_iterable(_OTHER_FORMATS))


def _advice(path):
    for endings, advice in _OTHER_FORMATS.items():
        if str(path).lower().endswith(endings):
            return f"; {advice}"
    return ""


def _check_is_there(path):
    """Raises InputError unless `path` is a file or folder; a pipe or device is not."""
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
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading might never end
        raise InputError(f"{path} is not a regular file")


def read_image(paths):
    """Reads an image, with its intensities scaled as the header says.

    Args:
        paths: path of a file, or paths of several files whose channels are joined in
            this order.

    Returns:
        `Volume` of float32 (i, j, k, channels), with the path and the grid of the
        first file.

    Raises:
        InputError: a file is missing, damaged, of no known format, neither a 3D volume
            nor a 4D one with channels last, not finite or without a usable affine, or
            the files lie on different grids.

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
    """Does what `read_image` does, for a nibabel image.

    Args:
        image: nibabel image, (i, j, k) or (i, j, k, channels).

    Returns:
        `Volume` of float32 (i, j, k, channels).

    Raises:
        InputError: `read_image` would refuse a file of this image.
    """
    return _as_image(nibabel_volume.volume_of(image, np.float32))


def _as_image(volume):
    stored = volume.array
    channels = stored if stored.ndim == 4 else stored[..., np.newaxis]
    with np.errstate(over="ignore"):  # a float64 that is too large becomes infinite
        array = in_c_order(channels, np.float32)
    if stored.dtype.kind == "f":
        check_finite(volume.path, array)
    return dataclasses.replace(volume, array=array)


def in_c_order(array, dtype):
    """Converts an array (i, j, k, ...) to a type and to C order, as TensorFlow has it.

    Files have Fortran order. Copying in blocks is twice as fast as copying all at once,
    because the lines of a block stay in the processor's cache.
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
    """Reads a label map of any number type.

    Returns:
        `Volume` of (i, j, k) with the values of the file, as int32 or as a smaller type
        of whole numbers that the file has.

    Raises:
        InputError: as `read_image`, or there are several channels, or a value is
            farther than 0.001 from a whole number or does not fit into int32.
    """
    volume = read_volume(path)
    array, notes = whole_numbers(path, volume.array)
    remarks = tuple(("labels", note) for note in notes)
    return dataclasses.replace(volume, array=array, remarks=remarks)


def label_values(path):
    """Returns the sorted values of a label map; raises InputError as `read_label`."""
    return np.unique(read_label(path).array).tolist()


def whole_numbers(path, array):
    """Converts label values of any number type to integers.

    Args:
        path: path of their file, for messages.
        array: (i, j, k), from `read_volume`.

    Returns:
        `(array, notes)`: integers (i, j, k) as `read_label` returns them, and notes
        about values that were rounded.

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
        num_channels: number of channels that its data set declares.

    Returns:
        `(image, label)`: `Volume`s as `read_image` and `read_label` return them, on
        one grid.

    Raises:
        InputError: as `read_image` and `read_label`, or the number of channels or the
            grids differ.
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
