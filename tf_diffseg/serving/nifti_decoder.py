"""NIfTI files, decoded from their bytes by TensorFlow operations.

Both versions of the format, compressed or not, in either byte order. Fields are
those of https://nifti.nimh.nih.gov/nifti-1; what is made of them is what nibabel
makes of them, which also reads the training data.
"""

import gzip
from typing import NamedTuple

import tensorflow as tf

from tf_diffseg.preprocessing.limits import (
    LARGEST_SPACING_MM,
    LARGEST_SPACING_OF_METRES_MM,
)
from tf_diffseg.serving.requirements import (
    check_affine,
    check_spacing,
    message,
    product,
    require,
    shape_text,
)

# In scanners' files, by NIfTI's code; complex numbers and colours are no intensities.
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
# `decode_raw` knows the signed ones alone.
_SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}
_LARGEST_ITEM = 8

# Offset, type and count of the fields that are read.
_NIFTI_1 = {
    "dim": (40, tf.int16, 8),
    "datatype": (70, tf.int16, 1),
    "pixdim": (76, tf.float32, 8),
    "units": (123, tf.uint8, 1),
    "vox_offset": (108, tf.float32, 1),
    "slope": (112, tf.float32, 1),
    "intercept": (116, tf.float32, 1),
    "qform_code": (252, tf.int16, 1),
    "sform_code": (254, tf.int16, 1),
    "quaternion": (256, tf.float32, 3),
    "qoffset": (268, tf.float32, 3),
    "srow": (280, tf.float32, 12),
}
_NIFTI_2 = {
    "dim": (16, tf.int64, 8),
    "datatype": (12, tf.int16, 1),
    "pixdim": (104, tf.float64, 8),
    "vox_offset": (168, tf.int64, 1),
    "slope": (176, tf.float64, 1),
    "intercept": (184, tf.float64, 1),
    "qform_code": (344, tf.int32, 1),
    "sform_code": (348, tf.int32, 1),
    "quaternion": (352, tf.float64, 3),
    "qoffset": (376, tf.float64, 3),
    "srow": (400, tf.float64, 12),
    "units": (500, tf.int32, 1),
}
# (size of the header, fields, where the magic is, the magic of a single file)
_VERSIONS = (
    (348, _NIFTI_1, 344, b"n+1\0"),
    (540, _NIFTI_2, 4, b"n+2\0"),
)
_LONGEST_HEADER = 540
# Millimetres by the lower three bits of `xyzt_units`: none told, metre, millimetre,
# micrometre, and four that NIfTI does not have. The other bits are of time.
_MM_PER_UNIT = (1.0, 1e3, 1.0, 1e-3, 1.0, 1.0, 1.0, 1.0)
# Codes of a form above this one are none, as nibabel has it.
_LAST_FORM_CODE = 5
# A scalar part of the quaternion that is lost in float32's rounding is 0.
_SMALLEST_W_SQUARED = 3 * 2.0**-23

_GZIP_MAGIC = b"\x1f\x8b"
# Enough of a compressed file to hold its header; at most 1032 times as much comes
# of it, see https://zlib.net/zlib_tech.html.
_HEAD_BYTES = 1 << 14
# What may lie between header and voxels, or behind them.
_EXTENSION_BYTES = 1 << 20
# Put behind a compressed file as a member of its own: it comes out at the end where
# the file is whole, its checksum included, and does not where it is not.
_MARKER = b"tf_diffseg"
_MARKER_MEMBER = gzip.compress(_MARKER, mtime=0)

_DAMAGED = "expected a whole .nii.gz file, it is damaged or cut off"


class NiftiHeader(NamedTuple):
    """What a header says, for `decode_voxels`.

    Attributes:
        shape: int64 [3], i, j, k.
        affine: float64 [4, 4], voxel to world, RAS+.
        type_index: int32, of the scalar types.
        is_little_endian: bool.
        offset: int64, where voxels begin.
        num_bytes: int64, of the voxels.
        slope: float64; NaN or 0 where voxels are not scaled.
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
    """Reads the header of a file and checks all that it says.

    Args:
        contents: string scalar, the bytes of a .nii or .nii.gz file.
        num_channels: that the image must have.
        max_voxels: that it may have.

    Returns:
        `NiftiHeader`.

    Raises:
        tf.errors.InvalidArgumentError: it is no NIfTI file of one 3D image of this
            many channels, larger than allowed, or without a usable affine.
    """
    head = tf.strings.substr(contents, 0, _HEAD_BYTES)
    is_compressed = _is_compressed(contents)
    head = tf.cond(is_compressed, lambda: _inflated(head), lambda: head)
    head = require(head, (~is_compressed | (tf.strings.length(head) > 0), _DAMAGED))
    fields, first_voxel, is_little_endian = _fields(head)
    shape = _checked_shape(fields["dim"], num_channels, max_voxels)
    codes = tf.constant(list(_SCALAR_TYPES), tf.int64)
    item_sizes = tf.constant([dtype.size for dtype in _SCALAR_TYPES.values()], tf.int64)
    is_type = tf.equal(codes, fields["datatype"])
    offset = fields["vox_offset"]
    # What lies between is an extension of the header.
    offset_is_met = (offset >= first_voxel) & (offset <= first_voxel + _EXTENSION_BYTES)
    scaling = tf.math.is_finite(fields["intercept"]) | ~_is_scaled(fields["slope"])
    shape = require(
        shape,
        (
            tf.reduce_any(is_type),
            tf.strings.format(
                "expected a NIfTI file of integers or of float32 or float64, its "
                "header has the datatype {}",
                fields["datatype"],
            ),
        ),
        (
            offset_is_met,
            tf.strings.format(
                "expected voxels behind the header of the NIfTI file, it tells of "
                "vox_offset {}",
                offset,
            ),
        ),
        (
            scaling,
            tf.strings.format(
                "expected a finite scl_inter in the header of the NIfTI file, got {}",
                fields["intercept"],
            ),
        ),
    )
    item_size = tf.reduce_sum(tf.where(is_type, item_sizes, 0))
    return NiftiHeader(
        shape=shape,
        affine=_affine(fields, shape),
        type_index=tf.argmax(is_type, output_type=tf.int32),
        is_little_endian=is_little_endian,
        offset=tf.cast(offset, tf.int64),
        num_bytes=tf.reduce_prod(shape) * num_channels * item_size,
        slope=fields["slope"],
        intercept=fields["intercept"],
    )


def decode_voxels(contents, header, num_channels):
    """Reads the voxels of a file.

    Args:
        contents: string scalar, the bytes of a .nii or .nii.gz file.
        header: its `NiftiHeader`.
        num_channels: as for `read_header`.

    Returns:
        float32 [i, j, k, channels], scaled as the header says: in float64, as
        nibabel does it.

    Raises:
        tf.errors.InvalidArgumentError: the file is damaged, cut off, or comes to more
            than its header tells of.
    """
    is_compressed = _is_compressed(contents)
    end = header.offset + header.num_bytes
    contents = require(
        contents,
        (
            ~is_compressed | (_told_size(contents) <= end + _EXTENSION_BYTES),
            "expected a .nii.gz file of the size that its header tells of, it is "
            "damaged or cut off, or comes to more",
        ),
    )
    contents = tf.cond(is_compressed, lambda: _whole(contents), lambda: contents)
    size = tf.cast(tf.strings.length(contents), tf.int64)
    contents = require(
        contents,
        ((size > 0) | ~is_compressed, _DAMAGED),
        (
            size >= end,
            tf.strings.format(
                "expected a NIfTI file of at least {} bytes by its header, it is cut "
                "off after {}",
                (end, size),
            ),
        ),
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


def _told_size(contents):
    """The size that the last four bytes of a gzip file tell of, int64."""
    length = tf.strings.length(contents)
    padded = tf.strings.join([b"\0" * 4, contents])
    last = tf.strings.substr(padded, length, 4)
    size = tf.bitcast(tf.io.decode_raw(last, tf.int32)[0], tf.uint32)
    return tf.cast(size, tf.int64)


def _inflated(compressed):
    """What gzip bytes stand for: as far as they go, empty where they are damaged."""
    # The only operations that survive an error are those of tf.data.
    dataset = tf.data.Dataset.from_tensors(compressed)
    dataset = dataset.map(lambda part: tf.io.decode_compressed(part, "GZIP"))
    dataset = dataset.ignore_errors()
    return dataset.reduce(tf.constant(b""), lambda _, part: part)


def _whole(compressed):
    """What a gzip file stands for; empty where it is damaged or cut off."""
    inflated = _inflated(tf.strings.join([compressed, _MARKER_MEMBER]))
    size = tf.maximum(tf.strings.length(inflated) - len(_MARKER), 0)
    is_whole = tf.equal(tf.strings.substr(inflated, size, len(_MARKER)), _MARKER)
    return tf.strings.substr(inflated, 0, tf.where(is_whole, size, 0))


def _fields(head):
    """`(fields, first byte a voxel may have, is little endian)` of a file's head.

    Numbers become int64 or float64, whatever the version has.
    """
    # Shorter ones are refused below, by what is not there.
    head = tf.strings.join([head, b"\0" * _LONGEST_HEADER])
    kinds = [(version, little) for version in _VERSIONS for little in (True, False)]
    is_kind = tf.stack(
        [
            tf.equal(
                tf.io.decode_raw(_cut(head, 0, 4), tf.int32, little)[0], version[0]
            )
            & tf.equal(_cut(head, version[2], 4), version[3])
            for version, little in kinds
        ]
    )
    head = require(
        head,
        (
            tf.reduce_any(is_kind),
            "expected the bytes of a .nii or .nii.gz file, version 1 or 2 in a single "
            "file; this is none",
        ),
    )
    index = tf.argmax(is_kind, output_type=tf.int32)
    fields = tf.switch_case(
        index,
        [
            lambda layout=version[1], little=little: _read_fields(head, layout, little)
            for version, little in kinds
        ],
    )
    # Behind the header are four bytes that tell of extensions.
    first_voxel = tf.gather(
        tf.constant([float(size + 4) for (size, *_), _ in kinds], tf.float64), index
    )
    return fields, first_voxel, tf.equal(index % 2, 0)


def _cut(head, offset, size):
    return tf.strings.substr(head, offset, size)


def _read_fields(head, layout, little_endian):
    fields = {}
    for name, (offset, dtype, count) in layout.items():
        part = _cut(head, offset, dtype.size * count)
        values = tf.io.decode_raw(part, dtype, little_endian)
        is_whole_number = dtype.is_integer and name != "vox_offset"
        values = tf.cast(values, tf.int64 if is_whole_number else tf.float64)
        fields[name] = tf.reshape(values, [count] if count > 1 else [])
    return fields


def _checked_shape(dim, num_channels, max_voxels):
    """Shape int64 [3] of the volume that `dim` tells of."""
    rank = dim[0]
    used = tf.range(1, 8, dtype=tf.int64) <= rank
    sizes = tf.where(used, dim[1:], 1)
    shape, trailing = sizes[:3], sizes[3:]
    voxels = product(shape)
    # nibabel's channels are one axis behind the third, any of them.
    has_channels = tf.equal(product(trailing), float(num_channels)) & tf.equal(
        tf.reduce_max(trailing), num_channels
    )
    came = shape_text(dim[1 : tf.clip_by_value(rank, 0, 7) + 1])
    return require(
        shape,
        (
            (rank >= 3) & (rank <= 7) & (tf.reduce_min(sizes) >= 1) & has_channels,
            message(
                f"expected a NIfTI file of a 3D volume of {num_channels} channel(s), "
                "channels last; its header tells of ",
                came,
            ),
        ),
        (
            voxels <= max_voxels,
            message(
                f"expected at most {max_voxels} voxels, the header of the NIfTI file "
                "tells of ",
                came,
            ),
        ),
    )


def _affine(fields, shape):
    """Affine float64 [4, 4] in mm: sform over qform over the spacing alone."""
    unit_mm = tf.gather(tf.constant(_MM_PER_UNIT, tf.float64), fields["units"] % 8)
    # As `tf_diffseg.volumes.headers.LengthUnit`: metres that are meant as millimetres.
    largest_mm = tf.where(unit_mm > 1, LARGEST_SPACING_OF_METRES_MM, LARGEST_SPACING_MM)
    name = "pixdim in the header of the NIfTI file, in its unit of length"
    spacing_mm = check_spacing(fields["pixdim"][1:4] * unit_mm, name, largest_mm)
    with tf.control_dependencies([spacing_mm]):
        spacing = tf.identity(fields["pixdim"][1:4])  # in the file's unit
    top = tf.case(
        [
            (
                _is_form(fields["sform_code"]),
                lambda: tf.reshape(fields["srow"], [3, 4]),
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
    """The first three rows that a unit quaternion tells of."""
    x, y, z = tf.unstack(fields["quaternion"])
    squared = 1.0 - (x * x + y * y + z * z)
    squared = require(
        squared,
        (
            squared > -_SMALLEST_W_SQUARED,
            tf.strings.format(
                "expected a unit quaternion in the header of the NIfTI file, got "
                "quatern_b, c, d {}",
                fields["quaternion"],
            ),
        ),
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
    # pixdim[0] is -1 where the third axis is mirrored; other values mean 1.
    mirror = tf.where(
        tf.equal(fields["pixdim"][0], -1.0), spacing[2] * -1.0, spacing[2]
    )
    columns = rotation * tf.stack([spacing[0], spacing[1], mirror])
    return tf.concat([columns, fields["qoffset"][:, tf.newaxis]], axis=1)


def _base_affine(spacing, shape):
    """Rows of a volume about the origin, stored from right to left as ANALYZE's."""
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
    """float32 of stored values, times the slope, plus the intercept."""
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
