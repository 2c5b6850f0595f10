"""Files appear whole or not at all, even if the disk is full."""

import os

import pytest

from tests.data_tools.full_disk import largest_file
from tf_diffseg.errors import InputError
from tf_diffseg.whole_files import whole_file, whole_files


def test_files_appear_together(tmp_path):
    (tmp_path / "b.txt").write_text("before")
    with whole_files() as whole:
        for name in ("new/a.nii.gz", "b.txt"):
            with whole(tmp_path / name) as temporary:
                assert temporary.name.endswith(name.removeprefix("new/"))
                temporary.write_text("after")
        assert not (tmp_path / "new" / "a.nii.gz").exists()
        assert (tmp_path / "b.txt").read_text() == "before"
    assert (tmp_path / "new" / "a.nii.gz").read_text() == "after"
    assert (tmp_path / "b.txt").read_text() == "after"
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "b.bin").write_text("before")
    with pytest.raises(InputError) as caught:
        with whole_files() as whole:
            with whole(tmp_path / "a.bin") as temporary:
                temporary.write_bytes(b"whole")
            with largest_file(1000), whole(tmp_path / "b.bin") as temporary:
                temporary.write_bytes(os.urandom(2000))
    assert str(caught.value) == f"cannot write {tmp_path / 'b.bin'}: File too large"
    assert [path.name for path in tmp_path.iterdir()] == ["b.bin"]
    assert (tmp_path / "b.bin").read_text() == "before"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        with whole_file(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"half")
            raise error
    assert not list(tmp_path.iterdir())


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(InputError, match="cannot write .*/a.bin: Is a directory"):
        with whole_file(tmp_path / "a.bin") as temporary:
            temporary.touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
