"""What keeps a file from being opened, each made for real."""

import os
import pathlib
import tempfile

import pytest

from data_tools.datasets.dataset_check import file_problem, is_usable_uid


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"content")
    return path


def test_a_file_that_is_fine(path, tmp_path):
    assert file_problem(str(path)) is None
    assert file_problem(str(path), str(tmp_path)) is None


def test_name_with_spaces_and_letters_of_any_script(tmp_path):
    path = tmp_path / "größe 脑 1.nii.gz"
    path.touch()
    assert file_problem(str(path), str(tmp_path)) is None


def test_missing_file(tmp_path):
    path = str(tmp_path / "a.nii")
    assert file_problem(path) == f"{path} does not exist"


def test_other_format(tmp_path):
    (tmp_path / "a.png").touch()
    message = file_problem(str(tmp_path / "a.png"))
    assert "a.png is of no known format, expected .nii.gz, .nii" in message


@pytest.mark.parametrize("name", ["../b.nii", "x/../../b.nii", "/etc/passwd"])
def test_file_outside_of_the_folder(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    path = os.path.normpath(root / name)
    assert file_problem(path, str(root)) == (
        f"{path} lies outside of {root}, the folder of the data set"
    )


def test_link_that_leads_elsewhere_is_followed(path, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "b.nii.gz").symlink_to(path)
    assert file_problem(str(root / "b.nii.gz"), str(root)) is None


def test_loop_of_links(tmp_path):
    (tmp_path / "a.nii").symlink_to(tmp_path / "b.nii")
    (tmp_path / "b.nii").symlink_to(tmp_path / "a.nii")
    message = file_problem(str(tmp_path / "a.nii"))
    assert "a.nii cannot be opened: Too many levels of symbolic links" in message


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.nii")
    assert "a.nii is not a regular file" in file_problem(str(tmp_path / "a.nii"))


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


def test_unreadable_file():
    # Not in tmp_path, which is closed to other users, as whom root must test.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = pathlib.Path(folder) / "a.nii"
        path.touch()
        path.chmod(0o000)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            message = file_problem(str(path))
        finally:
            os.seteuid(user)
    assert message == f"{path} cannot be opened: Permission denied"


@pytest.mark.parametrize(
    "uid", ["", ".", "..", "a/b", "a\\b", "a\nb", "\udcff", "é" * 101]
)
def test_uids_that_are_no_file_names(uid):
    assert not is_usable_uid(uid)
    assert is_usable_uid("a b_ö.1")
    assert is_usable_uid("é" * 100)
