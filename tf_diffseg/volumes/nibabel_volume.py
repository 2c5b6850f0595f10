"""Reads volumes with nibabel, whatever their format."""

import contextlib
import math
import os
import pathlib
import typing
import zlib

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib

from tf_diffseg.errors import InputError, is_of_machine, reading_error
from tf_diffseg.text import one_line
from tf_diffseg.volumes.headers import (
    MILLIMETRE,
    LengthUnit,
    check_affine,
    check_shape,
    in_millimetres,
)
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_limits import check_size

# The type stub of isal says that it is an instance, but it is a class.
ISAL_ERROR = typing.cast(type[Exception], isal_zlib.error)

# Errors of nibabel about headers that are damaged or of another format.
HEADER_ERRORS: tuple[type[Exception], ...] = (
    nib.filebasedimages.ImageFileError,
    nib.freesurfer.mghformat.MGHError,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
    ArithmeticError,
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    MemoryError,
    ISAL_ERROR,
    zlib.error,
)

# Most bytes that a byte of a deflate stream gives: https://zlib.net/zlib_tech.html.
LARGEST_COMPRESSION = 1032

_COMPRESSED = (".gz", ".mgz")

# Units by the lower three bits of NIfTI's `xyzt_units`; the other bits are for time.
# Many programs leave them 0.
UNITS = {
    0: MILLIMETRE,
    1: LengthUnit("metre", 1e3),
    2: MILLIMETRE,
    3: LengthUnit("micrometre", 1e-3),
}

# Most bytes behind the voxels that are read to reach the checksum at the end. A few
# kilobytes can decompress to gigabytes of zeros.
_MOST_BEHIND = 1 << 26

NOT_ANALYZE = (
    "is ANALYZE, which does not tell left from right, expected NIfTI: convert it "
    "where its orientation is known"
)


def is_analyze(image):
    """Whether a nibabel image is ANALYZE or its SPM variant, and not NIfTI."""
    is_nifti = isinstance(image, nib.Nifti1Pair)
    return isinstance(image, nib.AnalyzeImage) and not is_nifti


def length_unit(header):
    """Returns the `LengthUnit` of a nibabel header.

    Like nibabel, it takes millimetre if there is no code, or one that NIfTI lacks.
    """
    is_nifti = isinstance(header, nib.Nifti1Header)
    code = int(header["xyzt_units"]) % 8 if is_nifti else 2
    return UNITS.get(code, MILLIMETRE)


def load(path, kind, format_name):
    """Opens a file and checks its header, but reads no voxels.

    Args:
        path: path of the file.
        kind: class of nibabel images that the file must hold.
        format_name: name of the format, for messages.

    Returns:
        The nibabel image.

    Raises:
        InputError: the header cannot be understood, is of another format, or does not
            describe a 3D volume of numbers with a usable affine.
    """
    try:
        with _silent():
            image = _opened(path, kind)
            if not isinstance(image, kind):
                raise InputError(
                    f"{path} is not {format_name} but a {type(image).__name__}, "
                    f"expected {format_name}"
                )
            shape, stored = shape_of(image), image.get_data_dtype()
    except InputError:
        raise
    except HEADER_ERRORS as error:
        raise reading_error(
            f"{path} cannot be read as {format_name}: {one_line(error)}", error
        ) from error
    _check_header(path, shape, stored, image)
    return image


def _opened(path, kind):
    """Opens an image; nibabel itself would look for scan.nii in place of scan.Nii."""
    endings = pathlib.PurePath(path).suffixes[-2:]
    if all(ending in (ending.lower(), ending.upper()) for ending in endings):
        return nib.load(path)
    if issubclass(kind, nib.Nifti1Image):
        with nib.openers.ImageOpener(path) as file:
            start = file.read(nib.Nifti2Header.sizeof_hdr)
        if nib.Nifti2Header.may_contain_header(start):
            kind = nib.Nifti2Image
    return kind.from_file_map({"image": nib.FileHolder(str(path))})


@contextlib.contextmanager
def _silent():
    """Keeps nibabel from logging what it repairs in a header; this module checks it.

    nibabel's own `LoggingOutputSuppressor` does not stop the root logger's handlers,
    and absl has one of these.
    """
    logger = nib.imageglobals.logger
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_header(name, shape, stored, image):
    """Raises InputError unless an image is a 3D volume of numbers with an affine."""
    check_shape(name, shape)
    if stored.kind not in "buif":
        raise InputError(f"{name} holds {stored} voxels, expected numbers")
    if image.affine is None:
        raise InputError(f"{name} has no affine, so its voxels have no size")
    unit = length_unit(image.header)
    check_affine(name, in_millimetres(image.affine, unit), unit)


def shape_of(image):
    """Returns the shape without axes of length 1 behind the third.

    NIfTI stores n channels as (i, j, k, 1, n), because its fourth axis is time.
    """
    shape = tuple(map(int, image.shape))
    return (*shape[:3], *(size for size in shape[3:] if size != 1))


def read_voxels(path, image, dtype=None, notes=(), has_footer=False):
    """Reads the voxels of a nibabel image.

    Args:
        path: path of its file.
        image: from `load`.
        dtype: as for `volume_files.read_volume`.
        notes: notes of the `Volume`.
        has_footer: whether the format has data behind the voxels.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels).

    Raises:
        InputError: the file is damaged, or the memory is too small.
    """
    shape = shape_of(image)
    is_compressed = str(path).lower().endswith(_COMPRESSED)
    largest = os.path.getsize(path) * (LARGEST_COMPRESSION if is_compressed else 1)
    check_size(path, shape, image.get_data_dtype().itemsize, largest)
    with _reading(path):
        read = _decompressed if is_compressed else _stored
        array, bytes_behind = read(path, image, dtype)
    if bytes_behind > _MOST_BEHIND:
        notes = (
            *notes,
            f"{path}: more than {_MOST_BEHIND >> 20} MiB follow the voxels and are not "
            "read, so its checksum is not known to be right",
        )
    elif bytes_behind > 0 and not has_footer:
        notes = (*notes, f"{path}: {bytes_behind} byte(s) follow the voxels, unused")
    affine = in_millimetres(image.affine, length_unit(image.header))
    return Volume(str(path), array.reshape(shape), affine, notes)


@contextlib.contextmanager
def _reading(name):
    """Turns errors of reading voxels into an `InputError`."""
    try:
        # The caller refuses voxels that scaling makes infinite.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except HEADER_ERRORS as error:
        if isinstance(error, MemoryError):
            what = "does not fit in memory"
        else:
            what = "cannot be read" if is_of_machine(error) else "is damaged"
        raise reading_error(f"{name} {what}: {one_line(error)}", error) from error


def volume_of(image, dtype=None):
    """Takes the voxels of a nibabel image, with the checks that a file gets.

    Args:
        image: nibabel image, loaded from any format or made in memory.
        dtype: as for `volume_files.read_volume`.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels). Its path is that of the file, or
        "the image" without a file.

    Raises:
        InputError: as `load` and `read_voxels`, or `image` is not such an image.
    """
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise InputError(
            f"expected an image of nibabel with an affine, got a {type(image).__name__}"
        )
    name, shape = image.get_filename() or "the image", shape_of(image)
    if is_analyze(image):
        raise InputError(f"{name} {NOT_ANALYZE}")
    # An image made in memory may have a header with another type than its array.
    is_file = nib.is_proxy(image.dataobj)
    stored = image.get_data_dtype() if is_file else image.dataobj.dtype
    _check_header(name, shape, stored, image)
    check_size(name, shape, stored.itemsize, largest=math.inf)
    with _reading(name):
        array = np.asarray(image.dataobj, dtype)
    unit = length_unit(image.header)
    notes = () if unit == MILLIMETRE else (unit.note(name),)
    affine = in_millimetres(image.affine, unit)
    return Volume(name, array.reshape(shape), affine, notes)


def _values(proxy, dtype):
    """Reads voxels of a nibabel `ArrayProxy`; scaled voxels are computed in `dtype`."""
    is_scaled = (proxy.slope, proxy.inter) != (1, 0)
    return np.asarray(proxy, dtype if is_scaled else None)


def _stored(path, image, dtype):
    """Reads an uncompressed file: `(voxels, number of bytes behind them)`."""
    proxy = image.dataobj
    end = proxy.offset + math.prod(proxy.shape) * proxy.dtype.itemsize
    return _values(proxy, dtype), os.path.getsize(path) - end


def _decompressed(path, image, dtype):
    """Reads a compressed file to its end; returns the same as `_stored`.

    nibabel stops behind the voxels. The checksum follows, and without it some damage
    is not noticed. isal decompresses three times as fast as Python's own gzip.
    """
    proxy, behind = image.dataobj, 0
    spec = proxy.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter
    with igzip.open(path) as file:
        array = _values(type(proxy)(file, spec), dtype)
        while behind <= _MOST_BEHIND and (chunk := file.read(1 << 20)):
            behind += len(chunk)
    return array, behind
