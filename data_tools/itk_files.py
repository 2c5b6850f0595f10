"""Reading .nrrd and .mha volumes with SimpleITK."""

import math
import os
import re

import numpy as np
from isal import isal_zlib

from data_tools import simpleitk
from data_tools.errors import InputError
from data_tools.nibabel_volume import ISAL_ERROR, LARGEST_COMPRESSION
from data_tools.volume import (
    Volume,
    check_affine,
    check_shape,
    check_size,
    check_spacing,
)

ENDINGS = (".nrrd", ".mha")

# A header's end and a line by which it takes voxels from another file.
_HEADER_ENDS = {".nrrd": rb"\r?\n\r?\n", ".mha": rb"(?m)^\s*ElementDataFile\s*=.*\n"}
_OTHER_FILES = {
    ".nrrd": rb"(?im)^data ?file\s*:",
    ".mha": rb"(?m)^\s*ElementDataFile\s*=(?!\s*LOCAL\s*$)",
}
# SimpleITK 2.5 crashes on a .mha of more dimensions than ITK's arrays have.
_DIMENSIONS = rb"(?m)^\s*NDims\s*=\s*[234]\s*$"
_COMPRESSED = rb"(?im)^(encoding:.*(gz|bz)|\s*CompressedData\s*=\s*T)"
_TEXT = rb"(?im)^(encoding:\s*(ascii|te?xt)|\s*BinaryData\s*=\s*F)"
_IMAGE_IO = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}
_LONGEST_HEADER = 1 << 20
_ZLIB_OR_GZIP = 32 + 15  # of zlib's `wbits`: which of them, the stream tells


def read(path, dtype=None):
    """Reads a volume as it is stored.

    Args:
        path: a .nrrd or .mha file that holds its voxels itself.
        dtype: of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: if SimpleITK is not installed, or the file is damaged, of
            another format or shape or without a usable spacing and affine.
    """
    path = str(path)
    sitk = simpleitk.load_simpleitk(path)
    ending = os.path.splitext(path)[1].lower()
    header = _header_text(path, ending)
    reader = simpleitk.header_of(sitk, path, _IMAGE_IO[ending])
    shape = _shape(path, reader)
    affine = _affine(path, reader)
    _check_content(path, header, shape, _itemsize(sitk, path, reader))
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path} is damaged: {simpleitk.reason_of(error)}") from error
    # ITK's last axis comes first in memory, channels aside.
    array = sitk.GetArrayFromImage(image)
    spatial = reader.GetDimension()
    array = array.transpose((*range(spatial)[::-1], *range(spatial, array.ndim)))
    return Volume(path, np.asarray(array.reshape(shape), dtype), affine)


def _shape(path, reader):
    """(i, j, k) or (i, j, k, channels)."""
    shape = (*reader.GetSize(), reader.GetNumberOfComponents())
    shape = (*shape[:3], *(size for size in shape[3:] if size != 1))
    if reader.GetDimension() < 3:
        shape = reader.GetSize()
    check_shape(path, shape)
    return shape


def _check_content(path, header, shape, itemsize):
    """Raises InputError unless the file can hold the volume, as far as can be told."""
    is_compressed = re.search(_COMPRESSED, header)
    largest = os.path.getsize(path) - len(header)
    if is_compressed:
        largest *= LARGEST_COMPRESSION
    elif re.search(_TEXT, header):
        largest *= itemsize  # a digit can be a voxel
    check_size(path, shape, itemsize, largest)
    if is_compressed:
        _check_stream(path, len(header), math.prod(shape) * itemsize)


def _header_text(path, ending):
    """A file's header; raises InputError if it has none or names other files."""
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
    if ending == ".mha" and header.count(b"NDims") != len(
        re.findall(_DIMENSIONS, header)
    ):
        raise InputError(f"{path} is damaged: its NDims are not 2, 3 or 4")
    return header


def _affine(path, reader):
    dimension = reader.GetDimension()
    spacing_mm = reader.GetSpacing()[:3]
    check_spacing(path, spacing_mm)
    directions = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    affine = simpleitk.affine_of(reader.GetOrigin()[:3], directions, spacing_mm)
    check_affine(path, affine)
    return affine


def _itemsize(sitk, path, reader):
    """Bytes of one number; raises InputError on complex ones and the like."""
    name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    match = re.fullmatch(r"(?:vector of )?(\d+)-bit .*(?:integer|float)", name)
    if match is None:
        raise InputError(f"{path} holds voxels of {name}, expected numbers")
    return int(match[1]) // 8


def _check_stream(path, start, expected):
    """Raises InputError unless the compressed part is whole.

    SimpleITK takes what it could decompress of a damaged file for the volume.
    """
    try:
        with open(path, "rb") as file:
            file.seek(start)
            size = _decompressed_size(file, most=expected)
    except ISAL_ERROR as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if size is None:
        raise InputError(f"{path} is damaged: it ends amid its compressed voxels")
    if size != expected:
        than = "more than " if size > expected else ""
        raise InputError(
            f"{path} is damaged: its compressed voxels are {than}{min(size, expected)} "
            f"bytes, expected {expected}"
        )


def _decompressed_size(file, most):
    """Bytes that a zlib or gzip stream stands for, its checksum checked.

    None where it is cut, and a number above `most` where it is longer than that.
    """
    stream, size = isal_zlib.decompressobj(_ZLIB_OR_GZIP), 0
    while not stream.eof:
        chunk = file.read(1 << 20)
        if not chunk:
            return None
        while chunk and size <= most:
            size += len(stream.decompress(chunk, 1 << 24))
            chunk = stream.unconsumed_tail
        if size > most:
            break
    return size
