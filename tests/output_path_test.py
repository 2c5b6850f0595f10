import re

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_file, output_folder


def test_paths_that_can_be_made_are_accepted(tmp_path, monkeypatch):
    assert output_folder("a", tmp_path / "b" / "c") == tmp_path / "b" / "c"
    assert output_folder("a", tmp_path) == tmp_path
    assert output_file("a", tmp_path / "b" / "c.nii") == tmp_path / "b" / "c.nii"
    monkeypatch.chdir(tmp_path)
    output_folder("a", "b/c")
    output_file("a", "c.nii")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("check", [output_file, output_folder])
def test_a_path_below_a_file_is_refused(check, tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "b" / "c"
    with pytest.raises(InputError, match=re.escape(f"a={path} lies below")):
        check("a", path)


def test_a_loop_of_links_and_a_name_that_is_too_long_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InputError, match="a is a loop of links") as raised:
        output_folder("a", tmp_path / "a")
    assert raised.value.of_command() == f"--a={tmp_path / 'a'} is a loop of links"
    with pytest.raises(InputError, match="File name too long"):
        output_folder("a", tmp_path / ("x" * 300))


def test_a_file_for_a_folder_and_a_folder_for_a_file_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="^a=.* is a file, expected a folder"):
        output_folder("a", tmp_path / "file")
    with pytest.raises(InputError, match="^a=.* is a folder, expected a file"):
        output_file("a", tmp_path)
    with pytest.raises(InputError, match="^a is empty"):
        output_folder("a", "")
