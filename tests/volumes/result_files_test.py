"""Label maps and maps in every format, read back by nibabel or SimpleITK."""

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.result_files import (
    ENDINGS,
    FormatError,
    write_label,
    write_result,
)
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_files import read_label
from tf_diffseg.whole_files import whole_files

_SHAPE = (4, 3, 5)
_OBLIQUE = np.array(
    [
        [0.7123456, 0.1, -0.05, 11.123456789],
        [-0.1, 0.9, 0.3, -30.987654321],
        [0.02, -0.2, 2.1, 1234.5555],
        [0, 0, 0, 1.0],
    ]
)
_AFFINES = {
    "oblique and sheared": _OBLIQUE,
    "mirrored": _OBLIQUE @ np.diag([-1.0, 1, 1, 1]),
    "permuted": _OBLIQUE[:, [2, 0, 1, 3]],
    "flipped": np.diag([-2.0, -1.0, 3.0, 1.0]),
}


def _write(path, array, affine):
    with whole_files() as whole:
        write_result(whole, path, array, Volume("scan", array, affine))


def _read(path):
    """`(array, affine)` by nibabel or SimpleITK."""
    if path.suffix in (".nrrd", ".mha", ".mhd"):
        sitk = pytest.importorskip("SimpleITK")
        image = sitk.ReadImage(str(path))
        affine = np.eye(4)
        directions = np.reshape(image.GetDirection(), (3, 3))
        affine[:3, :3] = directions * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine
    image = nib.load(path)
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("affine", _AFFINES.values(), ids=_AFFINES)
def test_each_format_holds_the_grid_and_the_values(ending, affine, tmp_path):
    pytest.importorskip("SimpleITK")
    path = tmp_path / f"a.b{ending}"
    # Two of the formats store the affine as float32.
    tolerance = {"rtol": 1e-6, "atol": 1e-4}
    for dtype in (np.uint8, np.uint16, np.float32):
        array = (1.5 * np.arange(60).reshape(_SHAPE)).astype(dtype)
        _write(path, array, affine)
        found, found_affine = _read(path)
        np.testing.assert_array_equal(found, array)
        np.testing.assert_allclose(found_affine, affine, **tolerance)
    names = {path.name} | ({"a.b.zraw"} if ending == ".mhd" else set())
    assert {file.name for file in tmp_path.iterdir()} == names


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings_are_known_in_any_letters(ending, tmp_path):
    pytest.importorskip("SimpleITK")
    array = np.arange(60, dtype=np.uint8).reshape(_SHAPE)
    for number, written in enumerate((ending.upper(), ending.title())):
        path = tmp_path / str(number) / f"a.B{written}"
        _write(path, array, _AFFINES["flipped"])
        names = {path.name} | ({"a.B.zraw"} if ending == ".mhd" else set())
        assert {file.name for file in path.parent.iterdir()} == names
        # This library does not read .mhd; ITK does if the ending is in small letters.
        if ending == ".mhd":
            assert b"ElementDataFile = a.B.zraw" in path.read_bytes()
            path = path.rename(path.with_suffix(".mhd"))
            np.testing.assert_array_equal(_read(path)[0], array)
        else:
            label = read_label(path)
            np.testing.assert_array_equal(label.array, array)
            np.testing.assert_allclose(label.affine, _AFFINES["flipped"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_write_that_fails_leaves_nothing(ending, tmp_path, monkeypatch):
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / f"a.B{ending.upper()}"
    real_save, real_write = nib.save, sitk.WriteImage

    def fails_after(write):
        def failing(*arguments, **options):
            write(*arguments, **options)
            raise OSError(28, "No space left on device")

        return failing

    monkeypatch.setattr(nib, "save", fails_after(real_save))
    monkeypatch.setattr(sitk, "WriteImage", fails_after(real_write))
    with pytest.raises(InputError, match="cannot write .*No space left"):
        _write(path, np.zeros(_SHAPE, np.uint8), _OBLIQUE)
    assert not list(tmp_path.iterdir())


def test_a_scan_of_one_format_gets_a_label_map_in_another(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(np.ones(_SHAPE[::-1], np.float32))
    image.SetOrigin((3.0, -2.0, 1.0))
    image.SetSpacing((0.7, 0.9, 2.1))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    label = np.arange(60).reshape(_SHAPE)
    grids = []
    for ending in ENDINGS:
        path = tmp_path / f"label{ending}"
        write_label(path, label, like=tmp_path / "scan.nrrd")
        array, affine = _read(path)
        np.testing.assert_array_equal(array, label)
        grids.append(affine)
        if ending != ".mhd":  # which is not read
            np.testing.assert_array_equal(read_label(path).array, label)
    for affine in grids:
        np.testing.assert_allclose(affine, grids[0], atol=1e-5)


def test_files_that_are_not_whole_leave_the_earlier_ones(tmp_path, monkeypatch):
    sitk = pytest.importorskip("SimpleITK")
    for ending in (".mhd", ".nrrd"):
        path = tmp_path / f"a{ending}"
        _write(path, np.ones(_SHAPE, np.uint8), np.eye(4))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    write = sitk.WriteImage

    def half(image, path, **options):
        write(image * 0, path, **options)

    monkeypatch.setattr(sitk, "WriteImage", half)
    for name in ("a.mhd", "a.nrrd"):
        with pytest.raises(InputError, match=f"/{name}: it is not whole"):
            _write(tmp_path / name, np.ones(_SHAPE, np.uint8), np.eye(4))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    label = np.full(_SHAPE, 2**31, np.uint32)
    with pytest.raises(FormatError, match="has no type that holds uint32 up"):
        _write(tmp_path / "a.mgz", label, np.eye(4))
    far = np.eye(4)
    far[:3, 3] = 1e8 + 3.3  # float32 knows eight millimetres apart there
    with pytest.raises(FormatError, match=r"\.mgz cannot hold the grid of scan"):
        _write(tmp_path / "a.mgz", np.ones(_SHAPE, np.uint8), far)
    assert not list(tmp_path.iterdir())
