"""A folder appears whole or not at all, and no file of the user is lost."""

import contextlib

import pytest

from data_tools.conversion.staging import staging_for
from tf_diffseg.data.manifest import Manifest, Shard, Split
from tf_diffseg.errors import InputError


@contextlib.contextmanager
def staged_folder(output_dir, overwrite=False):
    """The folder that a conversion to `output_dir` fills."""
    with staging_for(output_dir, overwrite) as staging:
        yield staging.shards


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _write_data_set(folder, **fields):
    """A manifest and the one shard that it names."""
    folder.mkdir(exist_ok=True)
    shard = Shard("toy-all.tfrecord-00000-of-00001", 1, "0" * 64)
    (folder / shard.file_name).touch()
    (folder / "features.json").touch()
    (folder / "dataset_info.json").touch()
    fields = {
        "dataset": "toy",
        "modality": "MRI",
        "license": "CC0",
        "class_names": ["background", "organ"],
        "label_values": [0, 1],
        "channel_names": ["MRI"],
        "preprocessing": {},
        "splits": {"all": Split(["a"], [shard], {})},
        **fields,
    }
    Manifest(**fields).write(folder)


def _refused(output, message, overwrite=False):
    with pytest.raises(InputError, match=message):
        with staged_folder(output, overwrite):
            pass


@pytest.mark.parametrize("is_there", [True, False])
def test_appears_on_success_only(tmp_path, is_there):
    output = tmp_path / "deep" / "out"
    if is_there:
        output.mkdir(parents=True)
    with staged_folder(output) as folder:
        (folder / "a").touch()
        assert not list(output.glob("*"))
    assert _names(output) == ["a"]
    assert _names(output.parent) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path, error):
    with pytest.raises(error), staged_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        raise error
    assert _names(tmp_path) == []


def test_failure_keeps_the_old_data_set(tmp_path):
    output = tmp_path / "out"
    _write_data_set(output)
    before = _names(output)
    with pytest.raises(RuntimeError), staged_folder(output, overwrite=True):
        raise RuntimeError
    assert _names(output) == before


def test_overwrite_replaces_a_data_set(tmp_path):
    output = tmp_path / "out"
    _write_data_set(output)
    _refused(output, "holds a converted data set; `overwrite` replaces it")
    with staged_folder(output, overwrite=True) as folder:
        (folder / "new").touch()
    assert _names(output) == ["new"]
    assert _names(tmp_path) == ["out"]


def test_overwrite_spares_other_folders(tmp_path):
    (tmp_path / "thesis.tex").touch()
    _refused(tmp_path, "holds files but no manifest.json", overwrite=True)
    assert _names(tmp_path) == ["thesis.tex"]


def _add_folder_in_place_of_the_shard(folder):
    shard = folder / "toy-all.tfrecord-00000-of-00001"
    shard.unlink()
    shard.mkdir()


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda run: (run / "config.json").touch(), "config.json"),
        (lambda run: (run / "checkpoints").mkdir(), "checkpoints"),
        (_add_folder_in_place_of_the_shard, "toy-all.tfrecord-00000-of-00001"),
        (lambda run: _write_data_set(run, format_version=99), "toy-all.tfrecord"),
    ],
)
def test_overwrite_spares_files_of_others(tmp_path, change, named):
    run = tmp_path / "run"
    _write_data_set(run)
    change(run)
    before = _names(run)
    message = rf"run holds what no converted data set has \({named}"
    _refused(run, message, overwrite=True)
    assert _names(run) == before


@pytest.mark.parametrize("is_there", [True, False])
def test_the_target_of_a_link_is_filled(tmp_path, is_there):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    if is_there:
        _write_data_set(target)
    with staged_folder(link, overwrite=True) as folder:
        (folder / "new").touch()
    assert link.is_symlink()
    assert _names(link) == _names(target) == ["new"]
    assert _names(tmp_path) == ["link", "target"]


def test_a_mount_point_is_refused_at_once(tmp_path, monkeypatch):
    output = tmp_path / "disk"
    output.mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: path == output)
    _refused(output, "disk is a mount point.*disk/shards")
    with staged_folder(output / "shards") as folder:
        (folder / "a").touch()
    assert _names(output / "shards") == ["a"]


def test_leftovers_of_a_process_killed_at_the_end_are_removed(tmp_path):
    output = tmp_path / "out"
    _write_data_set(output)
    for name in (".out.partial/cases", ".out.old"):
        (tmp_path / name).mkdir(parents=True)
    _refused(output, "holds a converted data set; `overwrite`")
    assert _names(tmp_path) == ["out"]


def test_unpublished_work_stays(tmp_path):
    output = tmp_path / "out"
    _write_data_set(output)
    (tmp_path / ".out.partial" / "shards").mkdir(parents=True)
    _refused(output, "`overwrite` replaces it")
    assert _names(tmp_path) == [".out.partial", "out"]


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    _refused(tmp_path / "file" / "a", "a lies below .*file, which is not a folder")
    assert _names(tmp_path) == ["file"]
