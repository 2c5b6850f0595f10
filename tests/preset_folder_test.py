"""Folders of presets are replaced as a whole, and no other folder is."""

import contextlib
import os
import pathlib

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.preset_folder import preset_files
from tf_diffseg.whole_files import write_text

_FILES = ("model.keras", "manifest.json", "config.json")


def _write(folder, text, names=_FILES):
    with preset_files(folder) as whole:
        for name in names:
            write_text(folder / name, text, whole)


def _files(folder):
    """Dict from the name of each file to its text."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def _stop_before(monkeypatch, number):
    """Lets the change of a file's name with this number stop the process."""
    calls = []

    def stopping(change):
        def changed(*arguments, **options):
            calls.append(arguments)
            if len(calls) == number:
                raise KeyboardInterrupt
            return change(*arguments, **options)

        return changed

    monkeypatch.setattr(os, "replace", stopping(os.replace))
    monkeypatch.setattr(pathlib.Path, "unlink", stopping(pathlib.Path.unlink))


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("names", [_FILES, _FILES[:1]])
def test_a_stop_leaves_no_files_of_two_presets(tmp_path, monkeypatch, number, names):
    folder = tmp_path / "preset"
    _write(folder, "old")
    with monkeypatch.context() as patched:
        _stop_before(patched, number)
        with contextlib.suppress(KeyboardInterrupt):
            _write(folder, "new", names)
    left = _files(folder)
    assert len(set(left.values())) == 1
    assert "model.keras" in left
    assert ("config.json" in left) <= ("manifest.json" in left)
    _write(folder, "newest", names)  # It can be replaced.
    assert _files(folder) == dict.fromkeys(names, "newest")


def test_an_error_leaves_the_old_preset(tmp_path):
    _write(tmp_path, "old")
    with pytest.raises(RuntimeError), preset_files(tmp_path) as whole:
        write_text(tmp_path / "model.keras", "new", whole)
        raise RuntimeError
    assert _files(tmp_path) == dict.fromkeys(_FILES, "old")


@pytest.mark.parametrize(
    "names",
    [
        ["config.json", "manifest.json"],  # a run that has just begun
        ["model.keras", "config.json", "manifest.json", "checkpoints"],
        ["model.keras", "saved_model.pb"],
        ["epoch-00001.keras"],
        ["notes.txt"],
    ],
)
def test_what_is_no_preset_is_refused_and_left(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("old")
    with pytest.raises(InputError, match="^preset_dir=.* holds something else than a"):
        _write(tmp_path, "new")
    assert _files(tmp_path) == dict.fromkeys(names, "old")


def test_one_process_writes_at_a_time(tmp_path):
    with preset_files(tmp_path):
        with pytest.raises(InputError, match="is being written by another process"):
            _write(tmp_path, "new")
