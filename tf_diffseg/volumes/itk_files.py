"""Reads .nrrd and .mha volumes with SimpleITK."""

import contextlib
import math
import os
import re
import shutil
import tempfile

import numpy as np
from isal import isal_zlib

from tf_diffseg.errors import InputError
from tf_diffseg.text import shown
from tf_diffseg.volumes import simpleitk
from tf_diffseg.volumes.headers import (
    MILLIMETRE,
    LengthUnit,
    check_affine,
    check_shape,
    check_spacing,
)
from tf_diffseg.volumes.nibabel_volume import ISAL_ERROR, LARGEST_COMPRESSION
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_limits import check_size

ENDINGS = (".nrrd", ".mha")

# The end of a header, and the line by which it takes voxels from another file.
_HEADER_ENDS = {".nrrd": rb"\r?\n\r?\n", ".mha": rb"(?m)^\s*ElementDataFile\s*=.*\n"}
_OTHER_FILES = {
    ".nrrd": rb"(?im)^data ?file\s*:",
    ".mha": rb"(?m)^\s*ElementDataFile\s*=(?!\s*LOCAL\s*$)",
}
# SimpleITK 2.5 crashes if a .mha has more dimensions than ITK's arrays.
_DIMENSIONS = rb"(?m)^\s*NDims\s*=\s*[234]\s*$"
# NRRD's lines and bytes before the voxels. If voxels are compressed, the bytes are
# compressed with them and the lines are not.
_LINE_SKIP = rb"(?im)^line ?skip:\s*(\d+)"
_BYTE_SKIP = rb"(?im)^byte ?skip:\s*(-?\d+)"
# A file may have any number of bytes to skip; no more are looked at.
_LONGEST_SKIP = 1 << 26
_BZIP2 = rb"(?im)^encoding:\s*bz"
_COMPRESSED = rb"(?im)^(encoding:.*gz|\s*CompressedData\s*=\s*[T1])"
_TEXT = rb"(?im)^(encoding:\s*(ascii|te?xt)|\s*BinaryData\s*=\s*F)"
_FORMATS = {".nrrd": "NRRD", ".mha": "MetaImage"}
_IMAGE_IO = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}
_LONGEST_HEADER = 1 << 20
# Values of zlib's `wbits`: gzip alone, and gzip or zlib, whichever the stream tells.
# The library of NRRD takes a stream that is not gzip for voxels.
_WBITS = {".nrrd": 16 + 15, ".mha": 32 + 15}
# MetaImage's fields for the bytes of compressed voxels and for bytes to skip.
_COMPRESSED_SIZE = rb"(?m)^[ \t]*CompressedDataSize[ \t]*=[ \t]*(\S+)\s*\n"
_HEADER_SIZE = rb"(?m)^\s*HeaderSize\s*=\s*[1-9]"


def read(path, dtype=None):
    """Reads a volume as it is stored.

    Args:
        path: path of a file that holds its voxels itself.
        dtype: type of the result; None keeps the type of the file.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: as `nifti.read`, or SimpleITK is not installed.
    """
    path = str(path)
    sitk = simpleitk.load_simpleitk(path)
    header = _header_text(path)
    unit = _unit(path, header)
    reader = _header_reader(sitk, path)
    shape = _shape(path, reader)
    affine = _affine(path, reader, unit)
    stream_size = _check_content(path, header, shape, _itemsize(sitk, path, reader))
    try:
        with _with_stream_size(path, header, stream_size) as readable:
            reader.SetFileName(readable)
            image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} is damaged: {simpleitk.reason_of(error)}") from error
    # ITK's first axis is the last one in memory, but for channels.
    array = sitk.GetArrayFromImage(image)
    spatial = reader.GetDimension()
    array = array.transpose((*range(spatial)[::-1], *range(spatial, array.ndim)))
    notes = _orientation_notes(path, header)
    notes += () if unit == MILLIMETRE else (unit.note(path),)
    return Volume(path, np.asarray(array.reshape(shape), dtype), affine, notes)


def _ending(path):
    return os.path.splitext(path)[1].lower()


def _header_reader(sitk, path):
    """Returns a `SimpleITK.ImageFileReader` that has read the header of a file."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    reader.SetImageIO(_IMAGE_IO[_ending(path)])
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as {_FORMATS[_ending(path)]}: "
            f"{simpleitk.reason_of(error)}"
        ) from error
    return reader


def _shape(path, reader):
    """(i, j, k) or (i, j, k, channels)."""
    shape = (*reader.GetSize(), reader.GetNumberOfComponents())
    shape = (*shape[:3], *(size for size in shape[3:] if size != 1))
    if reader.GetDimension() < 3:
        shape = reader.GetSize()
    check_shape(path, shape)
    return shape


@contextlib.contextmanager
def _with_stream_size(path, header, stream_size):
    """Gives a file that ITK reads right: `path`, or a copy with the right size.

    If the header of a .mha lacks the size of the compressed voxels, or has a wrong one,
    ITK prints "Uncompress failed" and returns memory of unknown content.
    """
    found = re.search(_COMPRESSED_SIZE, header)
    is_right = found is not None and found[1] == str(stream_size).encode()
    if stream_size is None or is_right or _ending(path) != ".mha":
        yield path
        return
    size = b"CompressedDataSize = %d\n" % stream_size
    lines = re.sub(_COMPRESSED_SIZE, b"", header).splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder, open(path, "rb") as file:
        copy = os.path.join(folder, "a.mha")
        with open(copy, "wb") as other:
            other.writelines([*lines[:-1], size, lines[-1]])
            file.seek(len(header))
            shutil.copyfileobj(file, other)
        yield copy


def _check_content(path, header, shape, itemsize):
    """Raises InputError if the file surely cannot hold the volume.

    Returns:
        Bytes of the compressed voxels, or None if they are not compressed.
    """
    is_compressed = re.search(_COMPRESSED, header)
    largest = os.path.getsize(path) - len(header)
    if is_compressed:
        largest *= LARGEST_COMPRESSION
    elif re.search(_TEXT, header):
        largest *= itemsize  # one digit can be a voxel
    check_size(path, shape, itemsize, largest)
    if not is_compressed:
        return None
    return _check_stream(path, header, math.prod(shape) * itemsize)


def _header_text(path):
    """Reads a header; raises InputError if it is missing or names other files."""
    ending = _ending(path)
    with open(path, "rb") as file:
        start = file.read(_LONGEST_HEADER)
    end = re.search(_HEADER_ENDS[ending], start)
    if end is None:
        raise InputError(f"{path} is damaged: no {ending} header was found in it")
    header = start[: end.end()]
    if re.search(_OTHER_FILES[ending], header):
        raise InputError(
            f"{path} takes its voxels from another file, expected them in this one"
        )
    if ending == ".nrrd" and re.search(_BZIP2, header):
        raise InputError(
            f"{path} has its voxels in bzip2, expected raw, gzip or text: save it with "
            "encoding gzip"
        )
    if ending == ".mha" and re.search(_HEADER_SIZE, header):
        raise InputError(
            f"{path} has a HeaderSize, expected its voxels right behind its header"
        )
    if ending == ".mha" and header.count(b"NDims") != len(
        re.findall(_DIMENSIONS, header)
    ):
        raise InputError(f"{path} is damaged: its NDims are not 2, 3 or 4")
    return header


# Fields that tell the orientation; without them ITK assumes LPS.
_ORIENTATIONS = {
    ".nrrd": (
        rb"(?im)^space:\s*((left|right)-(anterior|posterior)-superior|[lr][ap]s)",
        rb"(?im)^space ?directions:",
    ),
    ".mha": (rb"(?m)^\s*(TransformMatrix|Rotation|Orientation)\s*=",),
}


def _orientation_notes(path, header):
    if all(re.search(pattern, header) for pattern in _ORIENTATIONS[_ending(path)]):
        return ()
    return (
        f"{path}: its header does not tell how the volume is oriented, x, y and z are "
        "taken to go to the left, to the back and to the top of the patient",
    )


# Names of units as files have them, in small letters and without a plural s.
_UNITS = {
    **dict.fromkeys(("mm", "millimeter", "millimetre"), MILLIMETRE),
    **dict.fromkeys(("m", "meter", "metre"), LengthUnit("metre", 1e3)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), LengthUnit("centimetre", 10.0)),
    **dict.fromkeys(
        ("um", "\u00b5m", "\u03bcm", "micron", "micrometer", "micrometre"),
        LengthUnit("micrometre", 1e-3),
    ),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), LengthUnit("nanometre", 1e-6)),
}
_NO_UNITS = ("", "?")
# NRRD has units in quotes, for each axis of space or, in old files, of the array.
_UNIT_FIELDS = (
    rb"(?im)^space ?units:(.*\S.*)$",
    rb"(?im)^units:(.*\S.*)$",
)
_DISTANCE_UNITS = rb"(?m)^\s*DistanceUnits\s*=\s*(\S+)"


def _unit(path, header):
    """Reads the `LengthUnit`; raises InputError if it is unknown or not unique."""
    names = [m.decode("utf-8", "replace") for m in re.findall(_DISTANCE_UNITS, header)]
    for pattern in _UNIT_FIELDS:
        field = re.search(pattern, header)
        if field and re.sub(rb'"[^"]*"', b"", field[1]).strip():
            value = shown(field[1].decode("utf-8", "replace").strip())
            raise InputError(
                f"{path} has the units of length {value}, expected each in quotes"
            )
        if field and not names:
            names = re.findall(r'"([^"]*)"', field[1].decode("utf-8", "replace"))
    given = [name for name in map(_singular, names) if name not in _NO_UNITS]
    known = [_UNITS[name] for name in given if name in _UNITS]
    # A fourth axis, of time or channels, has a unit of its own.
    is_known = len(known) == len(given) or len(names) > len(known) == 3
    if len(set(known)) > 1 or not is_known:
        raise InputError(
            f"{path} has the units of length {', '.join(map(shown, names))}, expected "
            "one that is known for all axes, as mm"
        )
    return known[0] if known else MILLIMETRE


def _singular(name):
    name = name.strip().lower()
    return name.rstrip("s") if len(name) > 2 else name


def _affine(path, reader, unit):
    dimension = reader.GetDimension()
    spacing_mm = [unit.mm * size for size in reader.GetSpacing()[:3]]
    check_spacing(path, spacing_mm, unit)
    directions = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    origin_mm = [unit.mm * place for place in reader.GetOrigin()[:3]]
    affine = simpleitk.affine_of(origin_mm, directions, spacing_mm)
    check_affine(path, affine, unit)
    return affine


def _itemsize(sitk, path, reader):
    """Returns the bytes of a number; refuses complex numbers and the like."""
    name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    match = re.fullmatch(r"(?:vector of )?(\d+)-bit .*(?:integer|float)", name)
    if match is None:
        raise InputError(f"{path} holds voxels of {name}, expected numbers")
    return int(match[1]) // 8


def _check_stream(path, header, expected):
    """Returns the bytes of the compressed part; raises InputError unless it is whole.

    SimpleITK itself accepts the part of a damaged file that it could decompress.
    """
    lines = re.search(_LINE_SKIP, header)
    skipped = re.search(_BYTE_SKIP, header)
    skip = int(skipped[1]) if skipped else 0
    # With -1 the voxels are at the end, behind any number of bytes.
    most = expected + (_LONGEST_SKIP if skip < 0 else skip)
    try:
        with open(path, "rb") as file:
            file.seek(len(header))
            for _ in range(int(lines[1]) if lines else 0):
                file.readline()
            start = file.tell()
            size, end = _decompressed_size(file, most, _WBITS[_ending(path)])
    except ISAL_ERROR as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if size is None:
        raise InputError(f"{path} is damaged: it ends amid its compressed voxels")
    is_whole = expected <= size <= most if skip < 0 else size == most
    if not is_whole:
        than = "more than " if size > most else ""
        raise InputError(
            f"{path} is damaged: its compressed voxels are {than}{min(size, most)} "
            f"bytes, expected {most}"
        )
    return end - start


def _decompressed_size(file, most, wbits):
    """Returns `(decompressed bytes, position of the end in the file)`.

    The checksum is checked. The first number is None if the stream is cut, and some
    number above `most` if it is longer than that.
    """
    stream, size = isal_zlib.decompressobj(wbits), 0
    while not stream.eof:
        chunk = file.read(1 << 20)
        if not chunk:
            return None, file.tell()
        while chunk and size <= most:
            size += len(stream.decompress(chunk, 1 << 24))
            chunk = stream.unconsumed_tail
        if size > most:
            break
    return size, file.tell() - len(stream.unused_data)
