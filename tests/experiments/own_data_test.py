"""Which stages of a chain are done, and on which split a run is scored."""

import dataclasses

import pytest

from experiments.chains import own_data
from tests.runs.toy_run import MANIFEST, toy_run
from tf_diffseg.data.manifest import Shard, Split
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json


@pytest.fixture
def folder(tmp_path):
    """Converted data, a run, and its results."""
    splits = {
        name: Split([name], [Shard(name, 1, "0")], {}) for name in ("train", "test")
    }
    manifest = dataclasses.replace(MANIFEST, splits=splits)
    for name in ("shards", "results"):
        (tmp_path / name).mkdir()
    manifest.write(tmp_path / "shards")
    (checkpoint,) = (toy_run(tmp_path / "run", manifest) / "checkpoints").iterdir()
    inference = {"inference": {"checkpoints": [str(checkpoint)]}}
    write_json(tmp_path / "results" / "metrics.json", inference)
    return tmp_path


def _stage(folder, module, *training):
    stages = own_data.stages(folder, ["--dataset_json=D"], [], training)
    return next(stage for stage in stages if stage.command[0] == module)


def test_a_training_by_other_flags_is_not_done(folder, monkeypatch):
    train = _stage(folder, "experiments.train", "--epochs=1")
    assert train.is_done  # As one that was called by hand.
    monkeypatch.setattr(own_data.chain, "run", lambda words: 0)
    for tried, is_done in (("--dry_run", True), ("--epochs=2", False)):
        other = _stage(folder, "experiments.train", tried)
        assert own_data.run([dataclasses.replace(other, is_done=False)]) == 0
        assert _stage(folder, "experiments.train", "--epochs=1").is_done is is_done
        # A dry run is a try, each time.
        assert _stage(folder, "experiments.train", tried).is_done is not is_done


def test_a_run_of_a_fold_is_scored_on_that_fold(folder):
    assert "--split=test" in _stage(folder, "experiments.evaluate").command
    path = folder / "run" / "config.json"
    fold = {"folds": 2, "fold": 0, "test_in_folds": True}
    write_json(path, read_json(path) | fold)
    assert "--split=validation" in _stage(folder, "experiments.evaluate").command
