"""DICOM series become volumes, and slices that are not a stack are refused."""

import numpy as np
import pytest

from tests.volumes.made_dicom import SPACING, write_dicom, write_slice, write_stack
from tf_diffseg.errors import InputError
from tf_diffseg.volumes.result_files import write_label
from tf_diffseg.volumes.volume_files import read_image

pytest.importorskip("pydicom")

SHAPE = (6, 5, 4)  # column, row, slice
VOXELS = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)


def _write(folder, index, name=None, voxels=VOXELS, **tags):
    """Writes the slice `index` of a stack; file names are in reverse order."""
    described = {"SOPInstanceUID": f"1.2.3.{index}", "RescaleSlope": 1, **tags}
    path = folder / (name or f"{9 - index}.dcm")
    write_slice(path, voxels[:, :, index], 100.0 + SPACING[2] * index, **described)


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "series"
    for index in range(SHAPE[2]):
        _write(folder, index)
    return folder


def test_slices_are_stacked_by_position(series, tmp_path):
    (series / "DICOMDIR").touch()
    (series / ".DS_Store").touch()
    image = read_image(series)
    np.testing.assert_array_equal(image.array[..., 0], VOXELS)
    expected = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    expected[:3, 3] = 10.0, -20.0, 100.0
    np.testing.assert_allclose(image.affine, expected, atol=1e-6)
    write_label(tmp_path / "a.nii", np.ones(SHAPE, int), like=series)
    written = read_image(tmp_path / "a.nii")
    np.testing.assert_allclose(written.affine, image.affine, atol=1e-5)


def test_coronal_series(tmp_path):
    for index in range(SHAPE[2]):
        position = [0.0, 50.0 + SPACING[2] * index, 0.0]
        tags = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        _write(tmp_path, index, ImagePositionPatient=position, **tags)
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.array[..., 0], VOXELS)
    expected = [[-0.8, 0, 0], [0, 0, -2.5], [0, -1.5, 0]]
    np.testing.assert_allclose(image.affine[:3, :3], expected, atol=1e-6)


def _tilt(folder):
    for index in range(SHAPE[2]):
        _write(folder, index, ImagePositionPatient=[0.0, 0.7 * index, 2.5 * index])


def _shorten(path, size):
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(
    "change, message",
    [
        (
            _tilt,
            r"series is no axis-aligned stack: .* \[0.0, 2.1\] mm .* tilted gantry",
        ),
        (lambda f: (f / "8.dcm").unlink(), "5 mm apart, .* 2.5 mm: .* is one missing"),
        (
            lambda f: _write(f, 1, "b.dcm"),
            "lie in one place: they are the same picture",
        ),
        (
            lambda f: _write(f, 1, SeriesInstanceUID="1.9"),
            r"series holds 2 DICOM series, expected one; name the one by any of its "
            r"files: .*/6.dcm \(.* 3 file\(s\)\); .*/8.dcm \(.* 1 file",
        ),
        (
            lambda f: _write(f, 1, ImageOrientationPatient=[1, 0, 0, 0, 0.8, 0.6]),
            r"\d.dcm is not parallel to .*\d.dcm: expected an axis-aligned stack",
        ),
        (lambda f: _write(f, 1, voxels=VOXELS[1:]), "expected slices of one size"),
        (
            lambda f: [(f / f"{name}.dcm").unlink() for name in (9, 8, 7)],
            r"holds 1 DICOM slice\(s\), expected a stack",
        ),
        (lambda f: _shorten(f / "8.dcm", -20), "8.dcm (is damaged|cannot be read)"),
        (lambda f: _shorten(f / "8.dcm", 300), "8.dcm (is damaged|cannot be read)"),
    ],
)
def test_slices_that_are_no_stack_are_refused(series, change, message):
    change(series)
    with pytest.raises(InputError, match=message):
        read_image(series)


def test_other_files_beside_the_series_are_named(tmp_path):
    write_stack(tmp_path, VOXELS)
    directory, structures, segmentation = "1.3.10", "5.1.4.1.1.481.3", "5.1.4.1.1.66.4"
    prefix = "1.2.840.10008."
    write_dicom(tmp_path / "INDEX", prefix + directory)
    write_dicom(tmp_path / "RS.dcm", prefix + structures)
    tags = {"Rows": 5, "Columns": 6, "NumberOfFrames": 9}
    write_dicom(tmp_path / "SEG.dcm", prefix + segmentation, **tags)
    (tmp_path / "README.txt").write_text("x")
    (tmp_path / "other").mkdir()
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.array[..., 0], VOXELS)
    (note,) = image.notes
    assert note == (
        f"{tmp_path}: passed over INDEX (Media Storage Directory), README.txt (no "
        "DICOM), RS.dcm (RT Structure Set), SEG.dcm (Segmentation), other (folder)"
    )


def test_a_series_is_chosen_by_any_of_its_files(tmp_path):
    folder = write_stack(tmp_path, VOXELS)
    for index in range(SHAPE[2]):
        name, tags = f"BIM000{index}.dcm", {"SeriesDescription": "Thorax"}
        _write(folder, index, name, VOXELS + 7, SeriesInstanceUID="9", **tags)
    with pytest.raises(InputError, match=r"2 DICOM series.*BIM0000.dcm \(CT Im.*Thor"):
        read_image(folder)
    for name, expected in (("IM0002", VOXELS), ("BIM0001.dcm", VOXELS + 7)):
        image = read_image(folder / name)
        np.testing.assert_array_equal(image.array[..., 0], expected)
        assert "passed over" in image.notes[0]
    write_label(tmp_path / "a.nii", np.ones(SHAPE, int), like=folder / "IM0002")
    assert read_image(tmp_path / "a.nii").grid_shape == SHAPE


def test_a_folder_of_folders_says_what_is_expected(tmp_path):
    write_stack(tmp_path / "patient", VOXELS)
    with pytest.raises(InputError, match=r"but patient \(folder\): expected the fold"):
        read_image(tmp_path)


def _many(count):
    return np.random.default_rng(0).integers(0, 99, (3, 2, count)).astype(np.int16)


@pytest.mark.parametrize(
    "distance, decimals, counts",
    [
        (1 / 3, 2, (2, 3, 40)),
        (1 / 3, 1, (40,)),
        (3.27, 1, (2, 3, 40)),
        (3.27, 0, (40,)),
        (0.625, 1, (2, 3, 40)),
        (2.027, 3, (2, 3, 40)),
        (5, 0, (2, 3, 40)),
    ],
)
def test_positions_may_be_rounded(tmp_path, distance, decimals, counts):
    for count in counts:
        positions = np.round(np.arange(count) * distance, decimals).tolist()
        stored = _many(count)
        image = read_image(write_stack(tmp_path / str(count), stored, positions))
        np.testing.assert_array_equal(image.array[..., 0], stored)
        mean = (positions[-1] - positions[0]) / (count - 1)
        np.testing.assert_allclose(image.spacing_mm, (0.8, 1.5, mean), rtol=1e-6)


@pytest.mark.parametrize(
    "count, distance, decimals",
    [(4, 3.27, 1), (5, 2.5, 3), (5, 1 / 3, 2), (30, 1 / 3, 2), (30, 3.27, 1)],
)
@pytest.mark.parametrize("num_missing", [1, 2])
def test_missing_slices_are_found(tmp_path, count, distance, decimals, num_missing):
    positions = np.round(np.arange(count) * distance, decimals).tolist()
    for start in {1, count // 2, count - 1 - num_missing}:
        left = positions[:start] + positions[start + num_missing :]
        if len(left) < 3:
            continue
        folder = write_stack(tmp_path / f"{start}", _many(len(left)), left)
        words = "is one missing" if num_missing == 1 else "are 2 missing"
        first, second = f"IM{start - 1:04d}", f"IM{start:04d}"
        with pytest.raises(InputError, match=f"{first} and .*{second} are .*{words}"):
            read_image(folder)


@pytest.mark.parametrize(
    "first, rounded", [(30.0, np.round), (-11.3, np.floor), (-11.3, np.ceil)]
)
@pytest.mark.parametrize("count", [2, 3, 4, 25])
def test_positions_may_be_in_whole_millimetres(tmp_path, count, rounded, first):
    stored = _many(count)
    positions = rounded(first + 2.5 * np.arange(count)).tolist()
    image = read_image(write_stack(tmp_path / "a", stored, positions))
    np.testing.assert_array_equal(image.array[..., 0], stored)
    np.testing.assert_allclose(image.spacing_mm[2], 2.5, atol=1 / (count - 1))
    if count < 4:
        return
    for start in (1, count // 2, count - 2):
        left = positions[:start] + positions[start + 1 :]
        folder = write_stack(tmp_path / f"{start}", _many(count - 1), left)
        with pytest.raises(InputError, match="missing|off the grid"):
            read_image(folder)


_SHIFTED = [[0, 2 * (index == 4), index] for index in range(9)]
_TWO_TIMES = r"holds 2 slices at each of 4 place\(s\), as a time series or several acqu"
_DIFFER_IN = _TWO_TIMES + r".*they differ in {} \(.*, .*\); expected the slices of one"


def _time_series(name, first, second):
    return [0, 1, 2, 3] * 2, {name: [first] * 4 + [second] * 4}, _DIFFER_IN.format(name)


@pytest.mark.parametrize(
    "positions, tags, message",
    [
        ([0, 2, 4, 5, 7, 9], {}, "missing"),
        ([0, 2, 4, 6, 7], {}, "missing"),
        ([0, 1, 3], {}, "missing"),
        (
            [0, 1, 2, 3, 4.3, 5, 6, 7, 8],
            {},
            "IM0004 lies 0.267 mm off the grid of 1 mm",
        ),
        (
            range(9),
            {"ImagePositionPatient": _SHIFTED},
            "IM0004 is shifted by 2 mm in its plane",
        ),
        ([5, 5, 5], {}, r"holds 3 slices at each of 1 place\(s\)"),
        (
            [0, 1, 2, 2, 3],
            {"InstanceNumber": [1, 2, 3, 4, 5]},
            r"IM0002 and .*IM0003 lie in one place, they differ in InstanceNumber \(3",
        ),
        _time_series("TemporalPositionIdentifier", 1, 2),
        _time_series("AcquisitionNumber", 1, 2),
        _time_series("EchoTime", 2.3, 4.6),
        _time_series("ImageType", "ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\P"),
    ],
)
def test_places_that_are_no_stack_are_refused(tmp_path, positions, tags, message):
    tags = {name: values.__getitem__ for name, values in tags.items()}
    write_stack(tmp_path, _many(len(positions)), positions, **tags)
    with pytest.raises(InputError, match=message):
        read_image(tmp_path)
