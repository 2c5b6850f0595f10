"""Versions of an exported model, of which each appears whole or not at all."""

import json
import pathlib

import pytest

from tf_diffseg.serving import (
    export,
    export_saved_model,
    next_version,
    write_server_files,
)


@pytest.fixture
def quick_archive(monkeypatch):
    """Lets an export write a file in place of the model."""

    def write(segmenter, model, path, *options):
        del segmenter, model, options
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_text("model")

    monkeypatch.setattr(export, "_write_saved_model", write)


def _files(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*")
    )


def _export(folder, model_card=None):
    return export_saved_model(None, None, folder, model_card or {})


def test_versions_count_up(quick_archive, tmp_path):
    folder = tmp_path / "not" / "yet" / "there"
    assert _export(folder) == folder / "1"
    assert _export(str(folder)) == folder / "2"


def test_two_exports_do_not_share_a_folder(quick_archive, tmp_path):
    def export_within(_):
        with pytest.raises(ValueError, match="is being written by another process"):
            _export(tmp_path)

    export_saved_model(None, None, tmp_path, {}, finish=export_within)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert _export(tmp_path) == tmp_path / "2"


def test_server_files_take_the_requests_of_the_export(tmp_path):
    write_server_files(tmp_path, 4)
    text = (tmp_path / "batching_parameters.txt").read_text()
    assert "max_batch_size { value: 4 }" in text
    assert "num_batch_threads { value: 2 }" in text


@pytest.mark.parametrize(
    "names, version",
    [
        ([], 1),
        (["1"], 2),
        (["2", "10", "9"], 11),
        (["notes.txt", ".partial-7", "v8", "-3", "1.5"], 1),
    ],
)
def test_next_version(names, version, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == version
    assert next_version(tmp_path / "absent") == 1


def test_the_model_card_lies_beside_the_model(quick_archive, tmp_path):
    card = {"dataset": "toy", "label_values": [0, 4, 7]}
    path = _export(tmp_path, card)
    assert _files(path) == ["assets", "assets/model_card.json", "saved_model.pb"]
    assert json.loads((path / "assets" / "model_card.json").read_text()) == card


def test_a_failed_model_leaves_nothing(monkeypatch, tmp_path):
    def fail(segmenter, model, path, *options):
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_text("half a mo")
        raise OSError("disk full")

    monkeypatch.setattr(export, "_write_saved_model", fail)
    with pytest.raises(OSError, match="disk full"):
        _export(tmp_path)
    assert _files(tmp_path) == []


def test_a_failed_model_card_leaves_only_earlier_versions(quick_archive, tmp_path):
    _export(tmp_path, {"version": "first"})
    before = _files(tmp_path)
    with pytest.raises(TypeError, match="not JSON serializable"):
        _export(tmp_path, {"weights": object()})
    assert _files(tmp_path) == before
    assert _export(tmp_path) == tmp_path / "2"


def test_the_rest_of_a_killed_export_is_removed(quick_archive, tmp_path):
    (tmp_path / ".partial-1").mkdir()
    (tmp_path / ".partial-1" / "variables.half").write_text("?")
    path = _export(tmp_path)
    assert _files(tmp_path) == ["1", *(f"1/{name}" for name in _files(path))]
    assert "variables.half" not in _files(path)
