"""NIfTI bytes decode to what nibabel reads, bit for bit; bad files are refused."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.serving import nifti_decoder
from tf_diffseg.volumes.volume_files import read_image

_SHAPE = (5, 4, 3)
_MAX_VOXELS = 1000
# There nibabel scales, and computes rotations, with fewer digits.
_not_on_numpy_1 = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="nibabel rounds on NumPy 1"
)
_TYPES = ("u1", "i2", "i4", "f4", "f8", "i1", "u2", "u4", "i8", "u8")


def _decoder(num_channels):
    def decode(contents):
        header = nifti_decoder.read_header(contents, num_channels, _MAX_VOXELS)
        voxels = nifti_decoder.decode_voxels(contents, header, num_channels)
        return voxels, header.affine

    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(decode, input_signature=signature, autograph=False)


_DECODERS = {num_channels: _decoder(num_channels) for num_channels in (1, 2)}


def _decode(contents, num_channels=1):
    voxels, affine = _DECODERS[num_channels](contents)
    return voxels.numpy(), affine.numpy()


def _file(
    dtype="i2",
    byte_order="<",
    kind=nib.Nifti1Image,
    shape=_SHAPE,
    affine=None,
    **fields,
):
    """Bytes of a file of integers that use all bits, or of ordinary floats."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(0)
    if dtype.kind == "f":
        array = rng.normal(0.0, 1e3, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    header = kind.header_class(endianness=byte_order)
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["pixdim"][1:4] = (0.9, 1.1, 2.5)
    header["vox_offset"] = kind.header_class.single_vox_offset
    if affine is not None:
        header.set_sform(affine, code="scanner")
    for name, value in fields.items():
        header[name] = value
    file = io.BytesIO()
    file.write(header.binaryblock)
    file.write(b"\0" * (int(kind.header_class.single_vox_offset) - file.tell()))
    file.write(array.astype(dtype.newbyteorder(byte_order)).tobytes(order="F"))
    return file.getvalue()


def _nibabel(contents, kind=nib.Nifti1Image):
    image = kind.from_bytes(contents)
    return np.asarray(image.dataobj, np.float32), image.affine


def _assert_same_bits(found, expected):
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@_not_on_numpy_1
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("dtype", _TYPES)
def test_voxels_have_the_bits_that_nibabel_reads(dtype, byte_order, kind):
    for slope, intercept in [(0.0, 3.0), (1.0, 0.0), (0.37, 0.0), (1.5, -1024.1)]:
        scaling = {"scl_slope": slope, "scl_inter": intercept}
        contents = _file(dtype, byte_order, kind, **scaling)
        expected, affine = _nibabel(contents, kind)
        for file in (contents, gzip.compress(contents)):
            voxels, found_affine = _decode(file)
            _assert_same_bits(voxels[..., 0], expected)
            np.testing.assert_array_equal(found_affine, affine)


def test_float_zeros_keep_their_sign_as_in_nibabel():
    for scl_inter in (0.0, 1.0):
        contents = bytearray(_file("f4", scl_slope=2.0, scl_inter=scl_inter))
        contents[352:356] = np.float32(-0.0).tobytes()
        expected, _ = _nibabel(bytes(contents))
        _assert_same_bits(_decode(bytes(contents))[0][..., 0], expected)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_of_0_or_nan_or_infinity_does_not_scale(slope):
    contents = _file(scl_slope=slope, scl_inter=np.nan)
    voxels, _ = _decode(contents)
    np.testing.assert_array_equal(voxels[..., 0], _nibabel(contents)[0])
    np.testing.assert_array_equal(voxels, np.round(voxels))


@pytest.mark.parametrize("shape", [(*_SHAPE, 2), (*_SHAPE, 1, 2), (*_SHAPE, 1, 1, 2)])
def test_channels_are_the_last_axis(shape):
    contents = _file(shape=shape)
    expected = _nibabel(contents)[0].reshape(*_SHAPE, 2)
    np.testing.assert_array_equal(_decode(contents, 2)[0], expected)


def test_sform_goes_before_qform_and_qform_before_spacing():
    sform = np.array([[0, 0, 2.5, 7], [-0.9, 0.1, 0, 8], [0, 1.1, 0, 9], [0, 0, 0, 1]])
    quaternion = {"quatern_b": 0.5, "quatern_c": 0.5, "quatern_d": 0.5, "qoffset_x": 4}
    for sform_code in (0, 1, 4, 5, 6, -1):
        for qform_code in (0, 1, 9):
            codes = {"sform_code": sform_code, "qform_code": qform_code}
            contents = _file(affine=sform, **quaternion, **codes)
            expected = _nibabel(contents)[1]
            np.testing.assert_array_equal(_decode(contents)[1], expected)


@_not_on_numpy_1
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("qfac", [-1.0, 1.0, 0.0])
def test_quaternions_give_the_affine_of_nibabel(qfac, kind):
    rng = np.random.default_rng(1)
    for index in range(20):
        quaternion = rng.normal(size=4) * (0.0 if index == 0 else 1.0, 1, 1, 1)
        quaternion /= np.linalg.norm(quaternion)
        # The file stores rounded values, so that w = 0 becomes a little more or less.
        b, c, d = quaternion[1:] if kind is nib.Nifti1Image else quaternion[1:] * 0.9
        fields = {"quatern_b": b, "quatern_c": c, "quatern_d": d, "qoffset_y": 3.3}
        pixdim = [qfac, 0.9, 1.1, 2.5, 1, 1, 1, 1]
        contents = _file(kind=kind, qform_code=1, pixdim=pixdim, **fields)
        expected = _nibabel(contents, kind)[1]
        # nibabel computes in 80 bits, these operations in 64.
        found = _decode(contents)[1]
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("units", [0, 1, 2, 3, 4, 7, 9, 10, 18, 27, 41, 50, 251])
def test_lengths_have_the_unit_of_the_header_as_in_read_image(
    tmp_path, units, byte_order, kind
):
    sform = np.array([[0, 0, 0.05, 7], [-0.06, 1e-2, 0, 8], [0, 0.09, 0, 9]])
    sform = np.concatenate([sform, [[0, 0, 0, 1]]])
    pixdim = [-1, 0.06, 0.09, 0.05, 1, 1, 1, 1]
    for codes in ({"sform_code": 1}, {"sform_code": 0, "qform_code": 1}, {}):
        fields = {"pixdim": pixdim, "qoffset_x": 3.3, "xyzt_units": units, **codes}
        affine = sform if codes else None
        contents = _file("i2", byte_order, kind, affine=affine, **fields)
        (tmp_path / "a.nii").write_bytes(contents)
        expected = read_image(tmp_path / "a.nii").affine
        np.testing.assert_array_equal(_decode(contents)[1], expected)


def test_several_gzip_members_make_one_file():
    contents = _file()
    members = gzip.compress(contents[:353]) + gzip.compress(contents[353:])
    np.testing.assert_array_equal(_decode(members)[0], _decode(contents)[0])


def _bomb():
    """A file whose header claims few voxels, but which inflates to 64 MiB."""
    return gzip.compress(_file() + b"\0" * (1 << 26))


def _flipped(contents, position):
    changed = bytearray(contents)
    changed[position] ^= 0xFF
    return bytes(changed)


_WHOLE = _file()
_ZIPPED = gzip.compress(_WHOLE)
_BAD_FILES = {
    "empty": (b"", "expected the bytes of a .nii or .nii.gz file"),
    "text": (b"not a volume", "expected the bytes of a .nii"),
    "zip": (b"\x1f\x8b and nothing", "it is damaged or cut off"),
    "zipped text": (gzip.compress(b"text"), "expected the bytes of a .nii"),
    "short header": (_WHOLE[:200], "expected the bytes of a .nii"),
    "pair": (_file(magic=b"ni1"), "in a single file"),
    "cut off": (_WHOLE[:-1], "by its header, it is cut off after"),
    "cut off zip": (_ZIPPED[:-30], "it is damaged or cut off"),
    "cut off checksum": (_ZIPPED[:-8], "it is damaged or cut off"),
    "cut off in the checksum": (_ZIPPED[:-1], "it is damaged or cut off"),
    # All voxels are there, but the checksum is missing.
    "cut off behind the voxels": (
        gzip.compress(_WHOLE + b"\0" * 200, compresslevel=0)[:-60],
        "it is damaged or cut off",
    ),
    "flipped bit": (_flipped(_ZIPPED, 150), "it is damaged or cut off"),
    "wrong checksum": (_flipped(_ZIPPED, -6), "it is damaged or cut off"),
    "bomb": (_bomb(), "or comes to more"),
    "lying bomb": (_bomb()[:-4] + b"\0\1\0\0", "it is damaged or cut off"),
    "huge": (_file(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), "at most 1000 voxels"),
    "huge zip": (
        gzip.compress(_file(dim=[3, 11, 10, 10, 1, 1, 1, 1])),
        "at most 1000 voxels, the header of the NIfTI file tells of",
    ),
    "overflow": (
        _file(kind=nib.Nifti2Image, dim=[3, 2**62, 2**62, 16, 1, 1, 1, 1]),
        "at most 1000 voxels",
    ),
    "zero size": (_file(dim=[3, 5, 0, 3, 1, 1, 1, 1]), "of a 3D volume of 1 channel"),
    "negative size": (_file(dim=[3, -5, -4, 3, 1, 1, 1, 1]), "of a 3D volume"),
    "2D": (_file(dim=[2, 5, 4, 1, 1, 1, 1, 1]), "of a 3D volume"),
    "8D": (_file(dim=[8, 5, 4, 3, 1, 1, 1, 1]), "of a 3D volume"),
    "channels": (_file(shape=(*_SHAPE, 2)), "of a 3D volume of 1 channel"),
    "colours": (_file(datatype=128), "has the datatype 128"),
    "complex": (_file(datatype=32), "has the datatype 32"),
    "offset": (_file(vox_offset=0), "tells of vox_offset 0"),
    "far offset": (_file(vox_offset=1e30), "tells of vox_offset"),
    "NaN offset": (_file(vox_offset=np.nan), "tells of vox_offset"),
    "intercept": (_file(scl_slope=1.0, scl_inter=np.inf), "a finite scl_inter"),
    "spacing": (_file(pixdim=[1, 0, 1, 1, 0, 0, 0, 0]), "a spacing of 1e-05 to 1000"),
    "NaN spacing": (_file(pixdim=[1, np.nan, 1, 1, 0, 0, 0, 0]), "a spacing of"),
    "metres": (
        _file(pixdim=[1, 1, 1, 1, 0, 0, 0, 0], xyzt_units=1),
        "a spacing of 1e-05 to 100 mm by pixdim .* unit of length, got .1000 1000 1000",
    ),
    "quaternion": (_file(qform_code=1, quatern_b=2.0), "a unit quaternion"),
    "NaN quaternion": (_file(qform_code=1, quatern_b=np.nan), "a unit quaternion"),
    "sform": (_file(sform_code=1, srow_x=[np.nan, 0, 0, 0]), "a finite affine"),
    "singular": (
        _file(
            sform_code=1, srow_x=[1, 1, 0, 0], srow_y=[1, 1, 0, 0], srow_z=[0, 0, 1, 0]
        ),
        "span a volume",
    ),
}


@pytest.mark.parametrize("name", _BAD_FILES)
def test_a_bad_file_is_refused_with_a_message_of_what_was_expected(name):
    contents, message = _BAD_FILES[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _decode(contents)


def test_a_randomly_damaged_file_is_refused_or_read():
    rng = np.random.default_rng(2)
    for file in (_WHOLE, _ZIPPED):
        for _ in range(100):
            damaged = bytearray(file)
            for position in rng.integers(0, min(len(file), 400), 3):
                damaged[position] = rng.integers(256)
            try:
                voxels, _ = _decode(bytes(damaged))
            except tf.errors.InvalidArgumentError as error:
                assert "expected" in error.message
            else:
                assert voxels.ndim == 4
