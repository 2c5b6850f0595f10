"""What the formats that nibabel reads have in common."""

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

# Its stub has an instance where there is the class.
ISAL_ERROR = typing.cast(type[Exception], isal_zlib.error)

# What nibabel raises on headers that are damaged or of something else.
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

# No byte of a deflate stream stands for more, see https://zlib.net/zlib_tech.html.
LARGEST_COMPRESSION = 1032

_COMPRESSED = (".gz", ".mgz")

# The lower three bits of NIfTI's `xyzt_units`; the others are of time. Many a program
# leaves them 0.
UNITS = {
    0: MILLIMETRE,
    1: LengthUnit("metre", 1e3),
    2: MILLIMETRE,
    3: LengthUnit("micrometre", 1e-3),
}

# Bytes behind the voxels that are read for the checksum at the end. A few kilobytes
# decompress to gigabytes of zeros.
_MOST_BEHIND = 1 << 26


NOT_ANALYZE = (
    "is ANALYZE, which does not tell left from right, expected NIfTI: convert it "
    "where its orientation is known"
)


def is_analyze(image):
    """Whether an image of nibabel is ANALYZE, SPM's included, and not NIfTI."""
    is_nifti = isinstance(image, nib.Nifti1Pair)
    return isinstance(image, nib.AnalyzeImage) and not is_nifti


def length_unit(header):
    """`LengthUnit` of a nibabel header; millimetre where it does not tell.

    Codes that NIfTI does not have are taken for millimetre, as nibabel does.
    """
    is_nifti = isinstance(header, nib.Nifti1Header)
    code = int(header["xyzt_units"]) % 8 if is_nifti else 2
    return UNITS.get(code, MILLIMETRE)


def load(path, kind, format_name):
    """Opens a file and checks all that its header tells.

    Args:
        path: of the file.
        kind: class of nibabel's images that it must be.
        format_name: for messages.

    Returns:
        The nibabel image, its voxels not read.

    Raises:
        InputError: if the header cannot be understood, is of another format, or
            tells of no 3D volume of numbers with a usable affine.
    """
    try:
        with _silent():
            image = _opened(path, kind)
            if is_analyze(image):
                raise InputError(f"{path} {NOT_ANALYZE}")
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
    """An image of nibabel, which looks for scan.nii in place of scan.Nii."""
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
    """What nibabel mends in a header it logs; what matters is checked here.

    Its own `LoggingOutputSuppressor` leaves the root's handlers, of which absl has one.
    """
    logger = nib.imageglobals.logger
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _check_header(name, shape, stored, image):
    """Raises InputError unless it is that of a 3D volume of numbers in the world."""
    check_shape(name, shape)
    if stored.kind not in "buif":
        raise InputError(f"{name} holds {stored} voxels, expected numbers")
    if image.affine is None:
        raise InputError(f"{name} has no affine, so its voxels have no size")
    unit = length_unit(image.header)
    check_affine(name, in_millimetres(image.affine, unit), unit)


def shape_of(image):
    """Shape without axes of 1 behind the third: (i, j, k, 1) is one channel.

    (i, j, k, 1, n) is NIfTI's way to keep the fourth axis, time, free for vectors.
    """
    shape = tuple(map(int, image.shape))
    return (*shape[:3], *(size for size in shape[3:] if size != 1))


def read_voxels(path, image, dtype=None, notes=(), has_footer=False):
    """Reads the voxels of a nibabel image.

    Args:
        path: of its file.
        image: from `load`.
        dtype: of floating point numbers to compute in; None keeps the exact type.
            Whole numbers that are not scaled stay as they are stored.
        notes: of the `Volume`.
        has_footer: whether the format has something behind the voxels.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels).

    Raises:
        InputError: if the file is damaged, or the memory is too small.
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
    """Makes an `InputError` of whatever ends the reading of voxels."""
    try:
        # Voxels that scaling makes infinite are for the caller to refuse.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except HEADER_ERRORS as error:
        if isinstance(error, MemoryError):
            what = "does not fit in memory"
        else:
            what = "cannot be read" if is_of_machine(error) else "is damaged"
        raise reading_error(f"{name} {what}: {one_line(error)}", error) from error


def volume_of(image, dtype=None):
    """The voxels of a nibabel image, held to what those of a file are held to.

    Args:
        image: of nibabel, loaded from whatever format or made.
        dtype: of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), with the path of its file;
        "the image" where it has none.

    Raises:
        InputError: as `load` and `read_voxels`, or if it is no such image.
    """
    if not isinstance(image, nib.spatialimages.SpatialImage):
        raise InputError(
            f"expected an image of nibabel with an affine, got a {type(image).__name__}"
        )
    name, shape = image.get_filename() or "the image", shape_of(image)
    if is_analyze(image):
        raise InputError(f"{name} {NOT_ANALYZE}")
    # The header of an image that was made may tell of another type than its array.
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
    """Voxels of a nibabel `ArrayProxy`, in `dtype` if there is anything to compute."""
    is_scaled = (proxy.slope, proxy.inter) != (1, 0)
    return np.asarray(proxy, dtype if is_scaled else None)


def _stored(path, image, dtype):
    """`(voxels, number of bytes behind them)`."""
    proxy = image.dataobj
    end = proxy.offset + math.prod(proxy.shape) * proxy.dtype.itemsize
    return _values(proxy, dtype), os.path.getsize(path) - end


def _decompressed(path, image, dtype):
    """As `_stored`, of a compressed file, read to its end.

    nibabel reads as far as there are voxels. The checksum comes behind them, and
    without it damage to what does not compress goes unnoticed. isal decompresses
    three times as fast as Python's own gzip.
    """
    proxy, behind = image.dataobj, 0
    spec = proxy.shape, proxy.dtype, proxy.offset, proxy.slope, proxy.inter
    with igzip.open(path) as file:
        array = _values(type(proxy)(file, spec), dtype)
        while behind <= _MOST_BEHIND and (chunk := file.read(1 << 20)):
            behind += len(chunk)
    return array, behind
