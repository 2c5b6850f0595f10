"""NRRD and MetaImage files give the same volumes as NIfTI files of ITK."""

import bz2
import gzip
import re
import sys
import zlib

import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import simpleitk
from tf_diffseg.volumes.volume_files import read_image

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


def test_voxels_may_be_text(tmp_path):
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


_WRONG_NRRD = [
    (b"sizes: .*", b"sizes: 30000 30000 30000", "is damaged: its header"),
    (b"directions: .*", b"directions: (0,0,0) (0,1,0) (0,0,1)", "spacing"),
    (b"directions: .*", b"directions: (1,0,0) (1,0,0) (0,0,1)", "singular"),
    (b"sizes:", b"data file: ../b.raw\nsizes:", "voxels from another file"),
    (b"NRRD0004", b"NRRX0004", "cannot be read as NRRD"),
]
_WRONG_MHA = [
    (b"DimSize = .*", b"DimSize = 30000 30000 30000", "is damaged: its header"),
    (b"Spacing = 1", b"Spacing = 0", "spacing 0 x 1.5 x 2 mm"),
    (b"Spacing = 1", b"Spacing = -1", "spacing -1 x 1.5 x 2"),
    (b"Matrix = .*", b"Matrix = 1 0 0 1 0 0 0 0 1", "singular"),
    (b"= LOCAL", b"= ../b.raw", "takes its voxels from another file"),
    # SimpleITK itself crashes on the next one.
    (b"NDims = 3", b"NDims = 99999", "damaged: its NDims are not 2, 3 or 4"),
    (b"NDims = 3", b"NDims = 2", "is 2D .* expected a 3D volume"),
    (b"NDims", b"HeaderSize = 50\nNDims", "has a HeaderSize, expected its voxels"),
]


@pytest.mark.parametrize(
    "name, pattern, text, message",
    [("a.nrrd", *row) for row in _WRONG_NRRD] + [("a.mha", *row) for row in _WRONG_MHA],
)
def test_wrong_headers_are_refused(tmp_path, name, pattern, text, message):
    path = _replaced(tmp_path / name, pattern, text)
    with pytest.raises(InputError, match=f"{name} .*{message}"):
        read_image(path)


_VOXELS = np.arange(24, dtype="<i2").reshape(2, 3, 4)
_RAW = _VOXELS.tobytes(order="F")


_SPACE = b"space: left-posterior-superior\n"
_DIRECTIONS = b"space directions: (1,0,0) (0,1,0) (0,0,2)\n"


def _write_nrrd(path, fields, content, space=_SPACE + _DIRECTIONS):
    header = b"NRRD0005\ntype: short\nendian: little\ndimension: 3\nsizes: 2 3 4\n"
    path.write_bytes(header + space + fields + b"\n" + content)
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
    # gzip writes the time, but a test needs the same name in all parallel processes.
    ids=lambda value: value.decode() if value.startswith(b"encoding") else "",
)
def test_lines_and_bytes_before_the_voxels_are_skipped(
    tmp_path, fields, content, damaged
):
    content = content[:-1] if damaged else content
    path = _write_nrrd(tmp_path / "a.nrrd", fields, content)
    if not damaged:
        np.testing.assert_array_equal(read_image(path).array[..., 0], _VOXELS)
    elif b"gz" in fields:
        with pytest.raises(InputError, match="a.nrrd is damaged: it ends amid"):
            read_image(path)


@pytest.mark.parametrize("size", [None, 0, -5, 12, 10**6, "right"])
@pytest.mark.parametrize("flag, newline", [(b"True", b"\n"), (b"1", b"\r\n")])
def test_the_size_of_compressed_voxels_may_be_wrong(tmp_path, size, flag, newline):
    stream = zlib.compress(_RAW)
    size = len(stream) if size == "right" else size
    size = [] if size is None else [b"CompressedDataSize = " + str(size).encode()]
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


@pytest.mark.parametrize(
    "encoding, content, message",
    [
        (b"gzip", zlib.compress(_RAW, 0), "is damaged"),
        (b"gzip", zlib.compress(_RAW, 6), "is damaged"),
        (b"bzip2", bz2.compress(_RAW), "has its voxels in bzip2, expected raw"),
        (b"bz2", bz2.compress(_RAW), "has its voxels in bzip2, expected raw"),
        (b"none", _RAW, "cannot be read as NRRD: (?!.*cxx)"),
    ],
)
def test_other_encodings_are_refused(tmp_path, encoding, content, message):
    path = _write_nrrd(tmp_path / "a.nrrd", b"encoding: " + encoding + b"\n", content)
    with pytest.raises(InputError, match=f"a.nrrd {message}"):
        read_image(path)


_LENGTHS_MM = {
    **dict.fromkeys(("mm", "MM", "millimeters"), 1),
    **dict.fromkeys(("m", "Metre", "meters"), 1e3),
    **dict.fromkeys(("cm", "Cm"), 10),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron"), 1e-3),
}


@pytest.mark.parametrize("name, mm", _LENGTHS_MM.items())
@pytest.mark.parametrize("ending", ENDINGS)
def test_lengths_are_in_the_unit_of_the_header(tmp_path, ending, name, mm):
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


@pytest.mark.parametrize(
    "space, is_oriented",
    [
        (_SPACE + _DIRECTIONS, True),
        (b"space: Right-Anterior-Superior\n" + _DIRECTIONS, True),
        (b"space: LAS\n" + _DIRECTIONS, True),
        (b'space: LAS\nspace units: "" "" ""\n' + _DIRECTIONS, True),
        (b"space: scanner-xyz\n" + _DIRECTIONS, False),
        (b"space: 3D-right-handed\n" + _DIRECTIONS, False),
        (b"space dimension: 3\n" + _DIRECTIONS, False),
        (_SPACE, False),
        (b"spacings: 1 1 2\n", False),
        (b"", False),
    ],
)
def test_a_nrrd_header_without_orientation_is_noted(tmp_path, space, is_oriented):
    path = _write_nrrd(tmp_path / "a.nrrd", b"encoding: raw\n", _RAW, space)
    notes = read_image(path).notes
    assert len(notes) == (not is_oriented)
    for note in notes:
        assert f"{path}: its header does not tell how the volume is oriented" in note


def test_a_metaimage_header_without_orientation_is_noted(tmp_path):
    path = _replaced(tmp_path / "a.mha", b"TransformMatrix = .*\n", b"")
    (note,) = read_image(path).notes
    assert f"{path}: its header does not tell how the volume is oriented" in note


@pytest.mark.parametrize(
    "units, words",
    [
        (b"cm cm cm", "length 'cm cm cm', expected each in quotes"),
        (b'"cm" cm "cm"', """length '"cm" cm "cm"', expected each in quotes"""),
        (b'"ft" "ft" "ft"', "units of length 'ft', 'ft', 'ft', expected one that is"),
        (b'"mm" "mm" "m"', "'mm', 'mm', 'm', expected one that is known"),
        (b'"m" "m" "m"', "1000 x 1000 x 2000 mm .*unit of length is metre"),
    ],
)
def test_wrong_units_are_refused(tmp_path, units, words):
    fields = b"space units: " + units + b"\nencoding: raw\n"
    path = _write_nrrd(tmp_path / "a.nrrd", fields, _RAW)
    with pytest.raises(InputError, match=f"a.nrrd has the .*{words}"):
        read_image(path)


def test_a_missing_simpleitk_is_named(tmp_path, monkeypatch):
    sitk.WriteImage(_image(_array()), str(tmp_path / "a.mha"))
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    message = re.escape("a.mha needs SimpleITK: pip install 'tf_diffseg[itk]'")
    with pytest.raises(InputError, match=message):
        read_image(tmp_path / "a.mha")


def test_reasons_hold_no_addresses_in_memory():
    error = RuntimeError("a.cxx:9:\nITK ERROR: GDCMImageIO(0x55d0c1a2b3c0): No header")
    assert simpleitk.reason_of(error) == "GDCMImageIO: No header"
