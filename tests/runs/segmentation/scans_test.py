"""Scans that a path names."""

import numpy as np
import pytest

from tests.volumes.made_dicom import write_stack
from tf_diffseg.errors import InputError
from tf_diffseg.runs.segmentation.scan_outputs import output_path
from tf_diffseg.runs.segmentation.scans import (
    Scan,
    find_scans,
    is_several,
    passed_over_note,
    read_scan,
)


@pytest.fixture
def folder(tmp_path):
    _touch(tmp_path, "b.nii", "a.nii.gz", "._a.nii.gz", "notes.txt", "C.NII.GZ")
    (tmp_path / "d.nii").mkdir()
    return tmp_path


def _touch(folder, *names):
    for name in names:
        (folder / name).touch()


def _names(scans):
    return [scan.name for scan in scans]


def test_a_folder_a_pattern_or_a_file_names_scans(folder):
    scans = find_scans("input", str(folder), 1)
    assert _names(scans) == ["C", "a", "b"]
    assert scans[1].paths == (str(folder / "a.nii.gz"),)
    assert _names(find_scans("input", str(folder / "[ab].nii*"), 1)) == ["a", "b"]
    for name in ("b.nii", "missing.nii", "notes.txt"):
        (scan,) = find_scans("input", str(folder / name), 1)
        assert scan.paths == (str(folder / name),)
    paths = f"{folder}/a.nii.gz,{folder}/b.nii"
    assert find_scans("input", paths, 2) == [Scan("a", tuple(paths.split(",")))]
    (scan,) = find_scans("input", "a/x_0000.nii,a/x_0001.nii", 2)
    assert scan.name == "x"


def test_pictures_are_scans_where_there_is_no_volume(tmp_path):
    """Beside volumes they are previews."""
    _touch(tmp_path, "b.png", "a.PNG", "notes.txt")
    for value in (tmp_path, tmp_path / "*"):
        assert _names(find_scans("input", str(value), 1)) == ["a", "b"]
        assert is_several(str(value))
    _touch(tmp_path, "c.nii")
    for value in (tmp_path, tmp_path / "*"):
        assert _names(find_scans("input", str(value), 1)) == ["c"]


def test_a_folder_of_links_to_nothing_is_one_of_scans(tmp_path):
    (tmp_path / "e.nii.gz").symlink_to("gone.nii.gz")
    (tmp_path / "notes.txt").touch()
    assert is_several(str(tmp_path))


def test_channels_with_names_as_of_nnunet_are_one_scan(tmp_path):
    files = [f"{name}.nii.gz" for name in ("x_0000", "x_0001", "y_0000", "y_0001")]
    _touch(tmp_path, *files)
    scans = find_scans("input", str(tmp_path), 2)
    assert _names(scans) == ["x", "y"]
    assert scans[0].paths == tuple(f"{tmp_path}/{name}" for name in files[:2])
    (tmp_path / "z_2026.nii.gz").touch()
    assert _names(find_scans("input", str(tmp_path), 2)) == ["x", "y", "z_2026"]
    (tmp_path / "z_2026.nii.gz").unlink()
    # A model of one channel takes each file for a scan.
    assert len(find_scans("input", str(tmp_path), 1)) == 4


@pytest.mark.parametrize(
    "files, names",
    [
        (["x_0000.nii.gz", "y_0000.nii.gz"], ["x", "y"]),
        (["x_0000.nii.gz", "y.nii.gz", "z_2026.nii"], ["x", "y", "z_2026"]),
        # Numbered scans of one channel keep their numbers.
        (["x_0000.nii", "x_0001.nii", "x_0002.nii"], ["x_0000", "x_0001", "x_0002"]),
        (["x_0001.nii"], ["x_0001"]),
    ],
)
def test_a_model_of_one_channel_drops_the_channel_number_of_a_lone_file(
    tmp_path, files, names
):
    _touch(tmp_path, *files)
    scans = find_scans("input", str(tmp_path), 1)
    assert _names(scans) == names
    assert [scan.paths for scan in scans] == [(f"{tmp_path}/{f}",) for f in files]
    assert all(scan.problem is None for scan in scans)
    # Asked for one by one, they have the same names.
    for file, name in zip(files, names, strict=True):
        assert _names(find_scans("input", f"{tmp_path}/{file}", 1)) == [name]
    outputs = [output_path(scan, tmp_path).name for scan in scans]
    assert outputs == [f"{name}.nii.gz" for name in names]


@pytest.mark.parametrize(
    "names, problem",
    [
        (["x_0001.nii", "x_0002.nii"], "no file of channel _0000, there are .*x_0001"),
        (["x_0000.nii", "x_0002.nii"], "no file of channel _0001, there are .*x_0000"),
        (["x_0001.nii"], "no file of channel _0000, there are .*x_0001.nii"),
        (["x_0000.nii", "x_0000.nii.gz"], "two files of channel _0000, there are .*"),
    ],
)
def test_a_channel_that_is_missing_is_named_and_other_scans_are_found(
    tmp_path, names, problem
):
    _touch(tmp_path, *names, "y_0000.nii", "y_0001.nii", "z.nii")
    x, y, z = find_scans("input", str(tmp_path), 2)
    assert (y.problem, z.problem) == (None, None)
    with pytest.raises(InputError, match=problem):
        read_scan(x)
    # What is asked for file by file is taken as it is.
    (scan,) = find_scans("input", ",".join(f"{tmp_path}/{name}" for name in names), 2)
    assert scan.problem is None


def test_a_folder_without_scans_or_with_two_of_one_name_is_refused(tmp_path):
    for value in (tmp_path, tmp_path / "*.nii"):
        with pytest.raises(InputError, match="^input=.*: no file there in .nii.gz, .n"):
            find_scans("input", str(value), 1)
    _touch(tmp_path, "a.nii", "a.nii.gz")
    with pytest.raises(InputError, match="a.nii and .*a.nii.gz would have one label"):
        find_scans("input", str(tmp_path), 1)


def test_a_folder_of_slices_is_one_scan(tmp_path):
    _touch(tmp_path, "IM0001", "IM0002.dcm")
    scans = find_scans("input", f"{tmp_path}/", 1)
    assert scans == [Scan(tmp_path.name, (f"{tmp_path}/",))]
    assert not is_several(str(tmp_path))
    (tmp_path / "scan.nii").touch()
    assert is_several(str(tmp_path))


STORED = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def test_every_series_below_a_folder_is_a_scan(tmp_path):
    pytest.importorskip("pydicom")
    # Copies of a series have its tags, but other folders.
    names = ["patientA", "patientB_1_ax", "patientB_1_cor"]
    for name in names:
        write_stack(tmp_path / name.replace("_", "/"), STORED)
    (tmp_path / "README").write_text("x")
    scans = find_scans("input", str(tmp_path), 1)
    assert _names(scans) == names
    assert is_several(str(tmp_path))
    for scan in scans:
        np.testing.assert_array_equal(read_scan(scan).array[..., 0], STORED)
    assert _names(find_scans("input", f"{tmp_path}/p*", 1)) == names
    # A folder with only one series is one scan.
    assert not is_several(str(tmp_path / "patientA"))
    (scan,) = find_scans("input", str(tmp_path / "patientA"), 1)
    assert (scan.name, scan.paths) == ("patientA", (str(tmp_path / "patientA"),))
    # A volume beside series, and a volume in the folder of a series.
    _touch(tmp_path, "localizer.nii.gz")
    assert _names(find_scans("input", str(tmp_path), 1)) == ["localizer", *names]
    assert is_several(str(tmp_path))
    alone = write_stack(tmp_path / "alone", STORED)
    (alone / "x.nii").touch()
    assert _names(find_scans("input", str(alone), 1)) == ["x", "alone"]
    assert is_several(str(alone))


def test_a_note_names_files_that_only_look_like_scans(tmp_path):
    (tmp_path / "below").mkdir()
    _touch(tmp_path, "a.nii", "b.img", "b.hdr", "c.mhd", "notes.txt", ".d.img")
    _touch(tmp_path / "below", "e.nii.gz")
    every = ["b.hdr", "b.img", "below/e.nii.gz", "c.mhd"]
    for value, left in [
        (f"{tmp_path}/", every),
        (f"{tmp_path}/*", every),
        (f"{tmp_path}/*.nii", []),
        (f"{tmp_path}/[ab].*", ["b.hdr", "b.img"]),
        (f"{tmp_path}/a.nii", []),
    ]:
        note = passed_over_note(value, find_scans("input", value, 1))
        if left:
            assert f"passed over {len(left)} file(s)" in note
            assert note.endswith(", ".join(f"{tmp_path}/{name}" for name in left))
        else:
            assert note is None


def test_every_series_of_one_folder_is_a_scan_by_its_number(tmp_path):
    pytest.importorskip("pydicom")
    for number in (3, 12):
        folder = write_stack(
            tmp_path / "p" / str(number),
            STORED + number,
            SeriesInstanceUID=f"1.{number}",
            SeriesNumber=number,
        )
        for path in folder.iterdir():
            path.rename(tmp_path / "p" / f"{number}_{path.name}")
        folder.rmdir()
    # A scout beside them is no scan.
    write_stack(tmp_path / "s", STORED[:, :, :1], SeriesInstanceUID="1.1")
    (tmp_path / "s" / "IM0000").rename(tmp_path / "p" / "scout")
    scans = find_scans("input", str(tmp_path / "p"), 1)
    assert is_several(str(tmp_path / "p"))
    assert _names(scans) == ["p_3", "p_12"]
    for scan, number in zip(scans, (3, 12), strict=True):
        np.testing.assert_array_equal(read_scan(scan).array[..., 0], STORED + number)


def test_a_damaged_series_does_not_hide_the_others(tmp_path):
    pytest.importorskip("pydicom")
    for name in "ab":
        write_stack(tmp_path / name, STORED)
    path = tmp_path / "a" / "IM0001"
    path.write_bytes(path.read_bytes()[:300])
    bad, good = find_scans("input", str(tmp_path), 1)
    with pytest.raises(InputError, match="IM0001"):
        read_scan(bad)
    np.testing.assert_array_equal(read_scan(good).array[..., 0], STORED)
