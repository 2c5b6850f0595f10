"""Decodes NIfTI files from their bytes by TensorFlow operations.

Reads both versions of the format, compressed or not, in either byte order. The fields
are described at https://nifti.nimh.nih.gov/nifti-1; they are interpreted as nibabel
does, which also reads the training data.
"""

import gzip
from typing import NamedTuple

import nibabel as nib
import tensorflow as tf

from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    LARGEST_SPACING_OF_METRES_MM,
)
from tf_diffseg.serving.requirements import (
    check_affine,
    check_spacing,
    product,
    require,
    shape_text,
)

# By NIfTI's code. Complex numbers and colours are not intensities.
_SCALAR_TYPES = {
    2: tf.uint8,
    4: tf.int16,
    8: tf.int32,
    16: tf.float32,
    64: tf.float64,
    256: tf.int8,
    512: tf.uint16,
    768: tf.uint32,
    1024: tf.int64,
    1280: tf.uint64,
}
# `decode_raw` knows only the signed types.
_SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}

# The fields that are read of a header.
_FIELDS = (
    "dim", "datatype", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units",
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
    "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
# The layout of the header, and the magic of a single file, by version.
_VERSIONS = (
    (nib.nifti1.header_dtype, b"n+1\0"),
    (nib.nifti2.header_dtype, b"n+2\0"),
)
_LONGEST_HEADER = nib.nifti2.header_dtype.itemsize
# Millimetres by the lower three bits of `xyzt_units`: no unit, metre, millimetre,
# micrometre, and four values that NIfTI does not define. The other bits are for time.
_MM_PER_UNIT = (1.0, 1e3, 1.0, 1e-3, 1.0, 1.0, 1.0, 1.0)
# nibabel ignores a form whose code is higher.
_LAST_FORM_CODE = 5
# A smaller scalar part of the quaternion is float32's rounding error: it counts as 0.
_SMALLEST_W_SQUARED = 3 * 2.0**-23

_GZIP_MAGIC = b"\x1f\x8b"
# This part of a compressed file holds the header. It inflates to at most 1032 times its
# size, see https://zlib.net/zlib_tech.html.
_HEAD_BYTES = 1 << 14
# Largest gap between header and voxels, and largest rest after the voxels.
_EXTENSION_BYTES = 1 << 20
# Appended to a compressed file as one more gzip member: it comes out at the end only if
# the file is whole, including its checksum.
_MARKER = b"tf_diffseg"
_MARKER_MEMBER = gzip.compress(_MARKER, mtime=0)

_DAMAGED = "expected a whole .nii.gz file, it is damaged or cut off"


class NiftiHeader(NamedTuple):
    """What `decode_voxels` needs of a header.

    Attributes:
        shape: int64 [3], i, j, k.
        affine: float64 [4, 4], voxel to world, RAS+, in mm.
        type_index: int32, index into `_SCALAR_TYPES`.
        is_little_endian: bool.
        offset: int64, first byte of the voxels.
        num_bytes: int64, size of the voxels.
        slope: float64; NaN or 0 if voxels are not scaled.
        intercept: float64.
    """

    shape: tf.Tensor
    affine: tf.Tensor
    type_index: tf.Tensor
    is_little_endian: tf.Tensor
    offset: tf.Tensor
    num_bytes: tf.Tensor
    slope: tf.Tensor
    intercept: tf.Tensor


def read_header(contents, num_channels, max_voxels):
    """Reads the header of a file and checks it.

    Args:
        contents: string scalar, the bytes of a .nii or .nii.gz file.
        num_channels: number of channels that the image must have.
        max_voxels: largest number of voxels that the image may have.

    Returns:
        `NiftiHeader`.

    Raises:
        tf.errors.InvalidArgumentError: the file is not NIfTI, is not one 3D image of
            this many channels, is too large, or has no usable affine.
    """
    head = tf.strings.substr(contents, 0, _HEAD_BYTES)
    is_compressed = _is_compressed(contents)
    head = tf.cond(is_compressed, lambda: _inflated(head), lambda: head)
    head = require(head, ~is_compressed | (tf.strings.length(head) > 0), _DAMAGED)
    fields, first_voxel, is_little_endian = _fields(head)
    shape = _checked_shape(fields["dim"], num_channels, max_voxels)
    codes = tf.constant(list(_SCALAR_TYPES), tf.int64)
    item_sizes = tf.constant([dtype.size for dtype in _SCALAR_TYPES.values()], tf.int64)
    is_type = tf.equal(codes, fields["datatype"])
    shape = require(
        shape,
        tf.reduce_any(is_type),
        "expected a NIfTI file of integers or of float32 or float64, its header has "
        "the datatype ",
        fields["datatype"],
    )
    offset = fields["vox_offset"]
    # Extensions of the header may lie before the voxels.
    shape = require(
        shape,
        (offset >= first_voxel) & (offset <= first_voxel + _EXTENSION_BYTES),
        "expected voxels behind the header of the NIfTI file, it tells of vox_offset ",
        offset,
    )
    shape = require(
        shape,
        tf.math.is_finite(fields["scl_inter"]) | ~_is_scaled(fields["scl_slope"]),
        "expected a finite scl_inter in the header of the NIfTI file, got ",
        fields["scl_inter"],
    )
    item_size = tf.reduce_sum(tf.where(is_type, item_sizes, 0))
    return NiftiHeader(
        shape=shape,
        affine=_affine(fields, shape),
        type_index=tf.argmax(is_type, output_type=tf.int32),
        is_little_endian=is_little_endian,
        offset=tf.cast(offset, tf.int64),
        num_bytes=tf.reduce_prod(shape) * num_channels * item_size,
        slope=fields["scl_slope"],
        intercept=fields["scl_inter"],
    )


def decode_voxels(contents, header, num_channels):
    """Reads the voxels of a file.

    Args:
        contents: string scalar, the bytes of a .nii or .nii.gz file.
        header: its `NiftiHeader`.
        num_channels: as in `read_header`.

    Returns:
        float32 [i, j, k, channels], scaled in float64 as the header says and nibabel
        does.

    Raises:
        tf.errors.InvalidArgumentError: the file is damaged, cut off, or larger than
            its header says.
    """
    is_compressed = _is_compressed(contents)
    end = header.offset + header.num_bytes
    contents = require(
        contents,
        ~is_compressed | (_gzip_size(contents) <= end + _EXTENSION_BYTES),
        "expected a .nii.gz file of the size that its header tells of, it is damaged "
        "or cut off, or comes to more",
    )
    contents = tf.cond(is_compressed, lambda: _whole(contents), lambda: contents)
    size = tf.cast(tf.strings.length(contents), tf.int64)
    contents = require(contents, (size > 0) | ~is_compressed, _DAMAGED)
    contents = require(
        contents,
        size >= end,
        "expected a NIfTI file of at least ",
        end,
        " bytes by its header, it is cut off after ",
        size,
    )
    raw = tf.strings.substr(contents, header.offset, header.num_bytes)
    voxels = tf.switch_case(
        header.type_index + tf.where(header.is_little_endian, 0, len(_SCALAR_TYPES)),
        [
            lambda dtype=dtype, little=little: _scaled(
                _decode_raw(raw, dtype, little), header
            )
            for little in (True, False)
            for dtype in _SCALAR_TYPES.values()
        ],
    )
    # The first axis of a file is the fastest.
    reverse = tf.concat([[num_channels], tf.reverse(header.shape, [0])], axis=0)
    voxels = tf.transpose(tf.reshape(voxels, reverse), [3, 2, 1, 0])
    return tf.ensure_shape(voxels, [None, None, None, num_channels])


def _is_compressed(contents):
    return tf.equal(tf.strings.substr(contents, 0, 2), _GZIP_MAGIC)


def _gzip_size(contents):
    """Size of the inflated file by the last four bytes of a gzip file, int64."""
    length = tf.strings.length(contents)
    padded = tf.strings.join([b"\0" * 4, contents])
    last = tf.strings.substr(padded, length, 4)
    size = tf.bitcast(tf.io.decode_raw(last, tf.int32)[0], tf.uint32)
    return tf.cast(size, tf.int64)


def _inflated(compressed):
    """Inflates gzip bytes as far as they go; gives "" if they are damaged."""
    # Only operations of tf.data survive an error.
    dataset = tf.data.Dataset.from_tensors(compressed)
    dataset = dataset.map(lambda part: tf.io.decode_compressed(part, "GZIP"))
    dataset = dataset.ignore_errors()
    return dataset.reduce(tf.constant(b""), lambda _, part: part)


def _whole(compressed):
    """Inflates a gzip file; gives "" if it is damaged or cut off."""
    inflated = _inflated(tf.strings.join([compressed, _MARKER_MEMBER]))
    size = tf.maximum(tf.strings.length(inflated) - len(_MARKER), 0)
    is_whole = tf.equal(tf.strings.substr(inflated, size, len(_MARKER)), _MARKER)
    return tf.strings.substr(inflated, 0, tf.where(is_whole, size, 0))


def _fields(head):
    """Reads `(fields, first byte a voxel may have, is little endian)`.

    Numbers become int64 or float64 in both versions.
    """
    # A file that is too short fails the checks below.
    head = tf.strings.join([head, b"\0" * _LONGEST_HEADER])
    kinds = [(version, little) for version in _VERSIONS for little in (True, False)]
    is_kind = tf.stack([_is_kind(head, *kind) for kind in kinds])
    head = require(
        head,
        tf.reduce_any(is_kind),
        "expected the bytes of a .nii or .nii.gz file, version 1 or 2 in a single "
        "file; this is none",
    )
    index = tf.argmax(is_kind, output_type=tf.int32)
    fields = tf.switch_case(
        index,
        [
            lambda layout=layout, little=little: _read_fields(head, layout, little)
            for (layout, _), little in kinds
        ],
    )
    # The header is followed by four bytes that announce extensions.
    first_voxels = [float(layout.itemsize + 4) for (layout, _), _ in kinds]
    first_voxel = tf.gather(tf.constant(first_voxels, tf.float64), index)
    return fields, first_voxel, tf.equal(index % 2, 0)


def _is_kind(head, version, little_endian):
    layout, magic = version
    size = tf.io.decode_raw(tf.strings.substr(head, 0, 4), tf.int32, little_endian)[0]
    found = tf.strings.substr(head, layout.fields["magic"][1], len(magic))
    return tf.equal(size, layout.itemsize) & tf.equal(found, magic)


def _read_fields(head, layout, little_endian):
    fields = {}
    for name in _FIELDS:
        item, offset = layout.fields[name]
        dtype = tf.as_dtype(item.base)
        part = tf.strings.substr(head, offset, item.itemsize)
        values = tf.io.decode_raw(part, dtype, little_endian)
        is_whole_number = dtype.is_integer and name != "vox_offset"
        values = tf.cast(values, tf.int64 if is_whole_number else tf.float64)
        fields[name] = tf.reshape(values, item.shape)
    return fields


def _three(fields, *names):
    return tf.stack([fields[name] for name in names])


def _checked_shape(dim, num_channels, max_voxels):
    """Shape int64 [3] of the volume, from the field `dim`."""
    rank = dim[0]
    used = tf.range(1, 8, dtype=tf.int64) <= rank
    sizes = tf.where(used, dim[1:], 1)
    shape, trailing = sizes[:3], sizes[3:]
    # nibabel takes any one axis after the third for channels.
    has_channels = tf.equal(product(trailing), float(num_channels)) & tf.equal(
        tf.reduce_max(trailing), num_channels
    )
    found = shape_text(dim[1 : tf.clip_by_value(rank, 0, 7) + 1])
    shape = require(
        shape,
        (rank >= 3) & (rank <= 7) & (tf.reduce_min(sizes) >= 1) & has_channels,
        f"expected a NIfTI file of a 3D volume of {num_channels} channel(s), channels "
        "last; its header tells of ",
        found,
    )
    return require(
        shape,
        product(shape) <= max_voxels,
        f"expected at most {max_voxels} voxels, the header of the NIfTI file tells of ",
        found,
    )


def _affine(fields, shape):
    """Affine float64 [4, 4] in mm, from the sform, else the qform, else the spacing."""
    unit_mm = tf.gather(tf.constant(_MM_PER_UNIT, tf.float64), fields["xyzt_units"] % 8)
    # As in `tf_diffseg.volumes.headers.LengthUnit`: "metres" may mean millimetres.
    largest_mm = tf.where(unit_mm > 1, LARGEST_SPACING_OF_METRES_MM, LARGEST_SPACING_MM)
    name = "pixdim in the header of the NIfTI file, in its unit of length"
    spacing_mm = check_spacing(fields["pixdim"][1:4] * unit_mm, name, largest_mm)
    with tf.control_dependencies([spacing_mm]):
        spacing = tf.identity(fields["pixdim"][1:4])  # in the file's unit
    top = tf.case(
        [
            (
                _is_form(fields["sform_code"]),
                lambda: _three(fields, "srow_x", "srow_y", "srow_z"),
            ),
            (_is_form(fields["qform_code"]), lambda: _qform(fields, spacing)),
        ],
        default=lambda: _base_affine(spacing, shape),
    )
    last = tf.constant([[0.0, 0.0, 0.0, 1.0]], tf.float64)
    return check_affine(tf.concat([top * unit_mm, last], axis=0), largest_mm)


def _is_form(code):
    return (code > 0) & (code <= _LAST_FORM_CODE)


def _qform(fields, spacing):
    """First three rows of the affine that the unit quaternion stands for."""
    quaternion = _three(fields, "quatern_b", "quatern_c", "quatern_d")
    x, y, z = tf.unstack(quaternion)
    squared = 1.0 - (x * x + y * y + z * z)
    squared = require(
        squared,
        squared > -_SMALLEST_W_SQUARED,
        "expected a unit quaternion in the header of the NIfTI file, got quatern_b, "
        "c, d ",
        quaternion,
    )
    is_lost = tf.abs(squared) < _SMALLEST_W_SQUARED
    w = tf.sqrt(tf.where(is_lost, tf.zeros_like(squared), squared))
    scale = 2.0 / (w * w + x * x + y * y + z * z)
    xx, yy, zz = x * x * scale, y * y * scale, z * z * scale
    xy, xz, yz = x * y * scale, x * z * scale, y * z * scale
    wx, wy, wz = w * x * scale, w * y * scale, w * z * scale
    rotation = tf.stack(
        [
            [1.0 - (yy + zz), xy - wz, xz + wy],
            [xy + wz, 1.0 - (xx + zz), yz - wx],
            [xz - wy, yz + wx, 1.0 - (xx + yy)],
        ]
    )
    # pixdim[0] is -1 if the third axis is mirrored; other values mean 1.
    third_sign = tf.where(tf.equal(fields["pixdim"][0], -1.0), -1.0, 1.0)
    signs = tf.stack([1.0, 1.0, third_sign])
    columns = rotation * spacing * tf.cast(signs, tf.float64)
    offset = _three(fields, "qoffset_x", "qoffset_y", "qoffset_z")
    return tf.concat([columns, offset[:, tf.newaxis]], axis=1)


def _base_affine(spacing, shape):
    """First three rows for a volume around the origin, stored right to left."""
    zooms = spacing * tf.constant([-1.0, 1.0, 1.0], tf.float64)
    origin = (tf.cast(shape, tf.float64) - 1.0) / 2.0
    return tf.concat([tf.linalg.diag(zooms), (-origin * zooms)[:, tf.newaxis]], axis=1)


def _decode_raw(raw, dtype, little_endian):
    signed = _SIGNED.get(dtype, dtype)
    values = tf.io.decode_raw(raw, signed, little_endian)
    return values if signed is dtype else tf.bitcast(values, dtype)


def _is_scaled(slope):
    return tf.math.is_finite(slope) & tf.not_equal(slope, 0.0)


def _scaled(values, header):
    """Stored values times slope plus intercept, float32."""
    slope, intercept = header.slope, header.intercept

    def scale():
        scaled = tf.cast(values, tf.float64) * slope
        shifted = tf.cond(
            tf.equal(intercept, 0.0), lambda: scaled, lambda: scaled + intercept
        )
        return tf.cast(shifted, tf.float32)

    changes = tf.not_equal(slope, 1.0) | tf.not_equal(intercept, 0.0)
    return tf.cond(
        _is_scaled(slope) & changes, scale, lambda: tf.cast(values, tf.float32)
    )
