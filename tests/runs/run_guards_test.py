"""What is refused before a run is trained, or is not refused without need."""

import dataclasses

import pytest

from tests.data_tools.cube_shards import cube_shards
from tests.runs.toy_run import toy_run
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs import strategy_comparison
from tf_diffseg.runs.equal_length import check_not_longer
from tf_diffseg.runs.planning import memory_check
from tf_diffseg.runs.run_folder import RunFolder, run_around
from tf_diffseg.runs.run_plan import plan_run
from tf_diffseg.runs.training import train
from tf_diffseg.whole_files import alone_in


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return cube_shards(folder, folder / "shards", split, 8)


@pytest.fixture
def run(shards, tmp_path):
    """Folder of a run of two epochs."""
    manifest = read_manifest(shards)
    return toy_run(tmp_path / "run", manifest, (1, 2), strategy="supervised")


def _config(run, epochs):
    return dataclasses.replace(RunFolder(run).config(), epochs=epochs)


def test_a_run_is_written_by_one_process(run, shards):
    config = _config(run, 3)
    before = sorted(run.rglob("*"))
    with (
        alone_in("model_dir", run),
        pytest.raises(InputError, match="^model_dir=.* is being written by another"),
    ):
        train(config, shards, run)
    assert sorted(run.rglob("*")) == before


def test_a_run_that_is_longer_than_the_others_is_refused(run, shards):
    for epochs in (2, 3):
        check_not_longer("fold 0", plan_run(_config(run, epochs), shards, run))
    with pytest.raises(InputError, match="^epochs=1: fold 0 has been trained for 2 in"):
        check_not_longer("fold 0", plan_run(_config(run, 1), shards, run))


def test_a_comparison_knows_its_split_before_it_trains(
    shards, run, tmp_path, monkeypatch
):
    def fail(*_):
        raise AssertionError("trained too early")

    monkeypatch.setattr(strategy_comparison, "_train_and_score", fail)
    arguments = (_config(run, 2), ["supervised"], shards, tmp_path / "out")
    with pytest.raises(InputError, match="has no split 'tset'"):
        strategy_comparison.compare_strategies(*arguments, split="tset")


def test_a_finished_run_needs_no_memory(run, shards, monkeypatch, capsys):
    monkeypatch.setattr(memory_check, "free_gib", lambda: 1e-3)
    train(_config(run, 2), shards, run)
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(InputError, match="a training step takes about"):
        train(_config(run, 3), shards, run)


def test_a_run_is_found_around_its_files_and_nowhere_else(run, tmp_path, monkeypatch):
    checkpoint = next((run / "checkpoints").glob("*.keras"))
    for path in (run, checkpoint):
        assert run_around(path).path == run
    monkeypatch.chdir(run)
    assert run_around("hippocampus") is None
    export = run / "export" / "1"
    export.mkdir(parents=True)
    (export / "saved_model.pb").touch()
    assert run_around(export) is None
    # A config of something else.
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "other.weights.h5").touch()
    assert run_around(tmp_path / "other.weights.h5") is None
