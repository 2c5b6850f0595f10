"""NRRD and MetaImage, held to what ITK itself writes as NIfTI."""

import bz2
import gzip
import re
import sys
import zlib

import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import simpleitk
from tf_diffseg.volumes.result_files import write_label
from tf_diffseg.volumes.volume_files import read_image, read_label

sitk = pytest.importorskip("SimpleITK")

ENDINGS = [".nrrd", ".mha"]


def _image(array, is_vector=False):
    """An image on an oblique grid: axes turned by 30 degrees."""
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing((1.0, 1.5, 2.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    turned = [[np.cos(0.5), 0, np.sin(0.5)], [0, -1, 0], [np.sin(0.5), 0, -np.cos(0.5)]]
    image.SetDirection(np.ravel(turned).tolist())
    return image


def _array(shape=(5, 4, 3)):
    return np.random.default_rng(0).normal(100.0, 50.0, shape).astype(np.float32)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_same_volume_as_the_nifti_file(tmp_path, ending, compressed, dtype):
    image = _image(_array().astype(dtype))
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    sitk.WriteImage(image, str(tmp_path / f"a{ending}"), compressed)
    expected = read_image(tmp_path / "a.nii")
    read = read_image(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read.array, expected.array)
    np.testing.assert_allclose(read.affine, expected.affine, atol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_channels_come_last(tmp_path, ending):
    array = _array((5, 4, 3, 2))
    sitk.WriteImage(_image(array, is_vector=True), str(tmp_path / f"v{ending}"))
    series = sitk.GetImageFromArray(np.moveaxis(array, -1, 0), isVector=False)
    sitk.WriteImage(series, str(tmp_path / f"t{ending}"))
    for name in "vt":
        image = read_image(tmp_path / f"{name}{ending}")
        np.testing.assert_array_equal(image.array, array.transpose(2, 1, 0, 3))


@pytest.mark.parametrize("ending", ENDINGS)
def test_label_goes_out_as_nifti_on_the_same_grid(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(_image(np.arange(60, dtype=np.uint8).reshape(5, 4, 3)), str(path))
    label = read_label(path)
    write_label(tmp_path / "b.nii.gz", label.array, like=path)
    written = read_label(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(written.array, label.array)
    np.testing.assert_allclose(written.affine, label.affine, atol=1e-5)


def test_voxels_written_as_text(tmp_path):
    path = tmp_path / "a.nrrd"
    header = (
        "NRRD0004\ntype: double\ndimension: 3\nspace: left-posterior-superior\n"
        "sizes: 2 3 4\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
        "space origin: (0,0,0)\nencoding: ascii\n\n"
    )
    path.write_text(header + " ".join("0" * 23) + " 7\n")
    image = read_image(path)
    assert image.grid_shape == (2, 3, 4)
    assert image.array[1, 2, 3, 0] == image.array.sum() == 7


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_and_damaged_files(tmp_path, ending, compressed):
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(_image(_array((20, 20, 20))), str(path), compressed)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2000])
    with pytest.raises(InputError, match=f"a{ending} is damaged"):
        read_image(path)
    path.write_bytes(whole[:100])
    with pytest.raises(InputError, match=f"a{ending} is damaged: no {ending} header"):
        read_image(path)
    if compressed:
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + b"\xff" * 50 + whole[middle + 50 :])
        with pytest.raises(InputError, match=f"a{ending} is damaged"):
            read_image(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_damage_of_compressed_voxels_never_goes_unnoticed(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(_image(_array((7, 6, 5)).astype(np.int16)), str(path), True)
    whole, expected = path.read_bytes(), read_image(path).array
    start = whole.index(b"\n\n" if ending == ".nrrd" else b"LOCAL\n")
    refused = 0
    for place in range(start, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read_image(path).array, expected)
        except InputError:
            refused += 1
    assert refused > 0.9 * (len(whole) - start)
    for cut in range(1, 40):
        path.write_bytes(whole[:-cut])
        with pytest.raises(InputError, match="is damaged: it ends amid its compr"):
            read_image(path)


def _replaced(path, pattern, text):
    sitk.WriteImage(_image(_array()), str(path))
    content, count = re.subn(pattern, text, path.read_bytes(), count=1)
    assert count == 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name, pattern, text, message",
    [
        (
            "a.mha",
            b"DimSize = .*",
            b"DimSize = 30000 30000 30000",
            "is damaged: its he",
        ),
        ("a.nrrd", b"sizes: .*", b"sizes: 30000 30000 30000", "is damaged: its header"),
        (
            "a.mha",
            b"ElementSpacing = 1",
            b"ElementSpacing = 0",
            "spacing 0 x 1.5 x 2 mm",
        ),
        (
            "a.mha",
            b"ElementSpacing = 1",
            b"ElementSpacing = -1",
            "spacing -1 x 1.5 x 2",
        ),
        (
            "a.mha",
            b"TransformMatrix = .*",
            b"TransformMatrix = 1 0 0 1 0 0 0 0 1",
            "sing",
        ),
        (
            "a.nrrd",
            rb"directions: .*",
            b"directions: (0,0,0) (0,1,0) (0,0,1)",
            "spacing",
        ),
        (
            "a.nrrd",
            rb"directions: .*",
            b"directions: (1,0,0) (1,0,0) (0,0,1)",
            "singular",
        ),
        ("a.mha", b"= LOCAL", b"= ../b.raw", "takes its voxels from another file"),
        (
            "a.nrrd",
            b"sizes:",
            b"data file: ../b.raw\nsizes:",
            "voxels from another file",
        ),
        # SimpleITK itself crashes on the next one.
        (
            "a.mha",
            b"NDims = 3",
            b"NDims = 99999",
            "damaged: its NDims are not 2, 3 or 4",
        ),
        ("a.mha", b"NDims = 3", b"NDims = 2", "is 2D .* expected a 3D volume"),
        ("a.nrrd", b"NRRD0004", b"NRRX0004", "cannot be read as NRRD"),
    ],
)
def test_wrong_headers_are_named(tmp_path, name, pattern, text, message):
    path = _replaced(tmp_path / name, pattern, text)
    with pytest.raises(InputError, match=f"{name} .*{message}"):
        read_image(path)


_VOXELS = np.arange(24, dtype="<i2").reshape(2, 3, 4)
_RAW = _VOXELS.tobytes(order="F")


def _write_nrrd(path, fields, content):
    path.write_bytes(
        b"NRRD0005\ntype: short\nendian: little\ndimension: 3\nsizes: 2 3 4\n"
        b"space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,2)\n"
        b"space origin: (3,0,0)\n" + fields + b"\n" + content
    )
    return path


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize(
    "fields, content",
    [
        (b"encoding: raw\nline skip: 2\n", b"x\ny\n" + _RAW),
        (b"encoding: raw\nbyte skip: 5\n", b"12345" + _RAW),
        (b"encoding: raw\nbyte skip: -1\n", b"1234567" + _RAW),
        (b"encoding: gzip\nline skip: 2\n", b"x\ny\n" + gzip.compress(_RAW)),
        (b"encoding: gz\nlineskip: 1\n", b"\x1f\x8b\n" + gzip.compress(_RAW)),
        (b"encoding: gzip\nbyte skip: 5\n", gzip.compress(b"12345" + _RAW)),
        (b"encoding: gzip\nbyteskip: -1\n", gzip.compress(b"1234567" + _RAW)),
        (b"encoding: gzip\nbyte skip: -1\n", gzip.compress(_RAW)),
        (
            b"encoding: gzip\nline skip: 1\nbyte skip: 3\n",
            b"x\n" + gzip.compress(b"123" + _RAW),
        ),
    ],
    # What gzip writes holds the time, and tests that run side by side need one name.
    ids=lambda value: value.decode() if value.startswith(b"encoding") else "",
)
def test_what_comes_before_the_voxels_is_passed_over(
    tmp_path, fields, content, damaged
):
    path = _write_nrrd(
        tmp_path / "a.nrrd", fields, content[:-1] if damaged else content
    )
    if not damaged:
        np.testing.assert_array_equal(read_image(path).array[..., 0], _VOXELS)
    elif b"gz" in fields:
        with pytest.raises(InputError, match="a.nrrd is damaged: it ends amid"):
            read_image(path)


@pytest.mark.parametrize("told", [None, 0, -5, 12, 10**6, "right"])
@pytest.mark.parametrize("flag", [b"True", b"1"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_size_of_compressed_voxels_need_not_be_told(tmp_path, told, flag, newline):
    stream = zlib.compress(_RAW)
    told = len(stream) if told == "right" else told
    size = [] if told is None else [b"CompressedDataSize = " + str(told).encode()]
    lines = [
        *(b"ObjectType = Image", b"NDims = 3", b"BinaryData = True"),
        b"CompressedData = " + flag,
        *size,
        *(b"ElementSpacing = 1 1 2", b"DimSize = 2 3 4", b"ElementType = MET_SHORT"),
        b"ElementDataFile = LOCAL",
    ]
    path = tmp_path / "a.mha"
    path.write_bytes(b"".join(line + newline for line in lines) + stream)
    image = read_image(path)
    np.testing.assert_array_equal(image.array[..., 0], _VOXELS)
    np.testing.assert_array_equal(image.spacing_mm, (1, 1, 2))


def test_a_place_of_voxels_inside_the_header_is_refused(tmp_path):
    path = _replaced(tmp_path / "a.mha", b"NDims", b"HeaderSize = 50\nNDims")
    with pytest.raises(InputError, match="a.mha has a HeaderSize, expected its voxels"):
        read_image(path)


@pytest.mark.parametrize("level", [0, 6])
def test_zlib_in_place_of_gzip_is_refused(tmp_path, level):
    content = zlib.compress(_RAW, level)
    path = _write_nrrd(tmp_path / "a.nrrd", b"encoding: gzip\n", content)
    with pytest.raises(InputError, match="a.nrrd is damaged"):
        read_image(path)


@pytest.mark.parametrize("encoding", [b"bzip2", b"bz2"])
def test_bzip2_is_refused_by_name(tmp_path, encoding):
    fields = b"encoding: " + encoding + b"\n"
    path = _write_nrrd(tmp_path / "a.nrrd", fields, bz2.compress(_RAW))
    with pytest.raises(
        InputError, match="a.nrrd has its voxels in bzip2, expected raw"
    ):
        read_image(path)


@pytest.mark.parametrize(
    "name, mm",
    [
        ("mm", 1),
        ("MM", 1),
        ("Cm", 10),
        ("Metre", 1e3),
        ("millimeters", 1),
        ("m", 1e3),
        ("meters", 1e3),
        ("cm", 10),
    ]
    + [("um", 1e-3), ("\u00b5m", 1e-3), ("\u03bcm", 1e-3), ("micron", 1e-3), ("", 1)],
)
@pytest.mark.parametrize("ending", ENDINGS)
def test_lengths_are_in_the_unit_of_the_header(tmp_path, ending, name, mm):
    if ending == ".mha" and not name:
        return
    path = tmp_path / f"a{ending}"
    image = _image(_array())
    expected = np.array(image.GetSpacing())
    image.SetSpacing((expected / mm).tolist())
    image.SetOrigin((np.array(image.GetOrigin()) / mm).tolist())
    sitk.WriteImage(image, str(path))
    if ending == ".mha":
        line, before = f"DistanceUnits = {name}\n", b"ElementType"
    else:
        line, before = f'space units: "{name}" "{name}" "{name}"\n', b"encoding"
    content = path.read_bytes().replace(before, line.encode() + before, 1)
    path.write_bytes(content)
    volume = read_image(path)
    np.testing.assert_allclose(volume.spacing_mm, expected, rtol=1e-5)
    np.testing.assert_allclose(volume.affine[:3, 3], (-10, 20, 30), rtol=1e-5)
    assert len(volume.notes) == (mm != 1)


_DIRECTIONS = b"space directions: (1,0,0) (0,1,0) (0,0,2)\n"


@pytest.mark.parametrize(
    "lines, is_told",
    [
        (b"space: left-posterior-superior\n" + _DIRECTIONS, True),
        (b"space: Right-Anterior-Superior\n" + _DIRECTIONS, True),
        (b"space: LAS\n" + _DIRECTIONS, True),
        (b"space: scanner-xyz\n" + _DIRECTIONS, False),
        (b"space: 3D-right-handed\n" + _DIRECTIONS, False),
        (b"space dimension: 3\n" + _DIRECTIONS, False),
        (b"space: left-posterior-superior\n", False),
        (b"spacings: 1 1 2\n", False),
        (b"", False),
    ],
)
def test_a_nrrd_header_without_orientation_is_told(tmp_path, lines, is_told):
    path = tmp_path / "a.nrrd"
    path.write_bytes(
        b"NRRD0005\ntype: short\nendian: little\ndimension: 3\nsizes: 2 3 4\n"
        + lines
        + b"encoding: raw\n\n"
        + _RAW
    )
    notes = read_image(path).notes
    assert len(notes) == (not is_told)
    assert is_told or f"{path}: its header does not tell how the volume is" in notes[0]


def test_a_metaimage_header_without_orientation_is_told(tmp_path):
    path = _replaced(tmp_path / "a.mha", b"TransformMatrix = .*\n", b"")
    (note,) = read_image(path).notes
    assert f"{path}: its header does not tell how the volume is oriented" in note


@pytest.mark.parametrize("units", ["cm cm cm", '"cm" cm "cm"'])
def test_units_without_quotes_are_named(tmp_path, units):
    fields = f"space units: {units}\nencoding: raw\n".encode()
    path = _write_nrrd(tmp_path / "a.nrrd", fields, _RAW)
    with pytest.raises(InputError, match=f"length '{units}', expected each in quotes"):
        read_image(path)


def test_reasons_of_itk_name_no_place_in_its_source(tmp_path):
    path = _write_nrrd(tmp_path / "a.nrrd", b"encoding: none\n", _RAW)
    with pytest.raises(InputError, match="a.nrrd cannot be read as NRRD") as error:
        read_image(path)
    assert ".cxx" not in str(error.value)


@pytest.mark.parametrize(
    "line, words",
    [
        (b'space units: "ft" "ft" "ft"\n', "units of length 'ft', 'ft', 'ft', expec"),
        (b'space units: "mm" "mm" "m"\n', "'mm', 'mm', 'm', expected one that is"),
        (b'space units: "m" "m" "m"\n', "1000 x 1000 x 2000 mm .*unit of length is me"),
    ],
)
def test_units_that_are_none_are_named(tmp_path, line, words):
    path = _write_nrrd(tmp_path / "a.nrrd", line + b"encoding: raw\n", _RAW)
    with pytest.raises(InputError, match=f"a.nrrd has the .*{words}"):
        read_image(path)


def test_what_to_install_is_told(tmp_path, monkeypatch):
    sitk.WriteImage(_image(_array()), str(tmp_path / "a.mha"))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    message = re.escape("a.mha needs SimpleITK: pip install 'tf_diffseg[itk]'")
    with pytest.raises(InputError, match=message):
        read_image(tmp_path / "a.mha")


def test_reasons_hold_no_addresses_in_memory():
    error = RuntimeError("a.cxx:9:\nITK ERROR: GDCMImageIO(0x55d0c1a2b3c0): No header")
    assert simpleitk.reason_of(error) == "GDCMImageIO: No header"
