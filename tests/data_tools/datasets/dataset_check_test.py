"""Files and uids of cases; `tests/data_tools/bad_input_test.py` holds the bad files."""

import pytest

from data_tools.datasets.dataset_check import file_problem, is_usable_uid


def test_good_file_has_no_problem(tmp_path):
    path = tmp_path / "größe 脑 1.nii.gz"
    path.touch()
    assert file_problem(str(path)) is None
    assert file_problem(str(path), str(tmp_path)) is None


def test_link_may_leave_the_folder(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "a.nii.gz").touch()
    (root / "b.nii.gz").symlink_to(tmp_path / "a.nii.gz")
    assert file_problem(str(root / "b.nii.gz"), str(root)) is None


def test_unknown_format(tmp_path):
    (tmp_path / "a.gif").touch()
    message = file_problem(str(tmp_path / "a.gif"))
    assert "a.gif is of no known format, expected .nii.gz, .nii" in message


def test_empty_folder(tmp_path):
    assert "is an empty folder" in file_problem(str(tmp_path))


@pytest.mark.parametrize("name", ["a\0.nii", "a\n.nii", "a\udcff.nii"])
def test_name_that_cannot_be_printed(tmp_path, name):
    message = file_problem(str(tmp_path / name))
    assert message.isprintable()
    assert "characters in its name that cannot be printed" in message


def test_name_that_is_too_long(tmp_path):
    message = file_problem(str(tmp_path / ("a" * 300 + ".nii")))
    assert "cannot be opened: File name too long" in message


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "a/b", "a\\b", "a\nb", "\udcff", "é" * 101, "mean"]
)
def test_uid_that_is_no_file_name(uid):
    assert not is_usable_uid(uid)


@pytest.mark.parametrize("uid", ["a b_ö.1", "é" * 100])
def test_usable_uid(uid):
    assert is_usable_uid(uid)
