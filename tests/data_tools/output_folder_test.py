"""A folder appears whole or not at all, and nobody's files are lost."""

import pytest

from data_tools.errors import InputError
from data_tools.output_folder import staged_folder


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_appears_on_success_only(tmp_path):
    output = tmp_path / "deep" / "out"
    with staged_folder(output) as folder:
        (folder / "a").touch()
        assert not output.exists()
    assert _names(output) == ["a"]
    assert _names(output.parent) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error), staged_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        raise error
    assert _names(tmp_path) == []


def test_failure_leaves_what_was_there(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "manifest.json").touch()
    with pytest.raises(RuntimeError), staged_folder(output, overwrite=True):
        raise RuntimeError
    assert _names(output) == ["manifest.json"]


def test_empty_folder_is_filled(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    with staged_folder(output) as folder:
        (folder / "a").touch()
    assert _names(output) == ["a"]


def test_overwrite_replaces_a_data_set(tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "manifest.json").touch()
    with pytest.raises(InputError, match="is not empty; --overwrite replaces it"):
        with staged_folder(output):
            pass
    with staged_folder(output, overwrite=True) as folder:
        (folder / "new").touch()
    assert _names(output) == ["new"]
    assert _names(tmp_path) == ["out"]


def test_overwrite_spares_other_folders(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds files but no manifest.json"):
        with staged_folder(tmp_path, overwrite=True):
            pass
    assert _names(tmp_path) == ["thesis.tex"]


def test_file_in_the_place(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="is a file, expected a folder"):
        with staged_folder(tmp_path / "out"):
            pass
    with pytest.raises(InputError, match="cannot write beside"):
        with staged_folder(tmp_path / "out" / "below"):
            pass
