"""Folders of DICOM slices, and the stacks that are none."""

import numpy as np
import pytest

from data_tools.errors import InputError
from data_tools.volume_files import read_image, write_label

sitk = pytest.importorskip("SimpleITK")

SPACING = (0.8, 1.5, 2.5)
SHAPE = (6, 5, 4)  # column, row, slice
VOXELS = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)


def _write(
    folder, index, name=None, origin=None, axes=None, series="1.2.3", voxels=VOXELS
):
    """Writes the slice `index` of an axial stack, changed as told."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels[:, :, index].T)[None])
    image.SetSpacing(SPACING)
    if origin is None:
        origin = (-10.0, 20.0, 100.0 + SPACING[2] * index)
    axes = (1, 0, 0, 0, 1, 0) if axes is None else axes
    for tag, value in {
        "0008|0060": "CT",
        "0020|000e": series,
        "0020|000d": "1.2",
        "0008|0018": f"1.2.3.{index}",
        "0020|0032": "\\".join(map(str, origin)),
        "0020|0037": "\\".join(map(str, axes)),
        "0028|1052": "0",
        "0028|1053": "1",
    }.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(folder / (name or f"{9 - index}.dcm")))
    writer.Execute(image)


@pytest.fixture
def series(tmp_path):
    """A stack whose file names are in the reverse of its order."""
    folder = tmp_path / "series"
    folder.mkdir()
    for index in range(SHAPE[2]):
        _write(folder, index)
    return folder


def test_slices_are_stacked_by_position(series):
    (series / "DICOMDIR").touch()
    (series / ".DS_Store").touch()
    image = read_image(series)
    np.testing.assert_array_equal(image.array[..., 0], VOXELS)
    expected = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    expected[:3, 3] = 10.0, -20.0, 100.0
    np.testing.assert_allclose(image.affine, expected, atol=1e-6)


def test_label_lies_on_the_grid_of_the_series(series, tmp_path):
    write_label(tmp_path / "a.nii", np.ones(SHAPE, int), like=series)
    written = read_image(tmp_path / "a.nii")
    np.testing.assert_allclose(written.affine, read_image(series).affine, atol=1e-5)


def test_coronal_series(tmp_path):
    for index in range(SHAPE[2]):
        origin = (0.0, 50.0 + SPACING[2] * index, 0.0)
        _write(tmp_path, index, origin=origin, axes=(1, 0, 0, 0, 0, -1))
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.array[..., 0], VOXELS)
    expected = [[-0.8, 0, 0], [0, 0, -2.5], [0, -1.5, 0]]
    np.testing.assert_allclose(image.affine[:3, :3], expected, atol=1e-6)


def _tilt(folder):
    for index in range(SHAPE[2]):
        _write(folder, index, origin=(0.0, 0.7 * index, 2.5 * index))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            _tilt,
            r"series is no axis-aligned stack: .* \[0.0, 2.1\] mm .* tilted gantry",
        ),
        (lambda f: (f / "8.dcm").unlink(), "5 mm apart, .* 2.5 mm: .* is one missing"),
        (lambda f: _write(f, 1, "b.dcm"), "lie in one place"),
        (lambda f: _write(f, 1, series="1.9"), r"of 2 series \(1.2.3, 1.9\), expected"),
        (
            lambda f: _write(f, 1, axes=(1, 0, 0, 0, 0.8, 0.6)),
            r"\d.dcm is not parallel to .*\d.dcm: expected an axis-aligned stack",
        ),
        (lambda f: _write(f, 1, voxels=VOXELS[1:]), "expected slices of one size"),
        (
            lambda f: (f / "notes.txt").write_text("x"),
            "notes.txt cannot be read as DIC",
        ),
        (lambda f: (f / "sub").mkdir(), "sub is no file, expected DICOM slices only"),
        (
            lambda f: [(f / f"{name}.dcm").unlink() for name in (9, 8, 7)],
            r"holds 1 DICOM slice\(s\), expected a stack",
        ),
        (
            lambda f: (f / "8.dcm").write_bytes((f / "8.dcm").read_bytes()[:-20]),
            "8.dcm (is damaged|cannot be read)",
        ),
        (
            lambda f: (f / "8.dcm").write_bytes((f / "8.dcm").read_bytes()[:300]),
            "8.dcm (is damaged|cannot be read)",
        ),
    ],
)
def test_what_is_no_stack_is_refused(series, change, message):
    change(series)
    with pytest.raises(InputError, match=message):
        read_image(series)
