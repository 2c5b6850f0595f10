"""Runs go on only with their own data, and from whole checkpoints."""

import dataclasses
import zipfile

import pytest

from tests.runs.toy_run import MANIFEST, TWO_LEVELS, toy_run
from tf_diffseg.data.manifest import Shard, Split
from tf_diffseg.errors import InputError
from tf_diffseg.runs.folds.run_data import check_start_is_unaware
from tf_diffseg.runs.initial_weights import remember
from tf_diffseg.runs.presets import save_to_preset
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.saving.initial_weights import InitialWeights


def _split(uids, sha256="0"):
    return Split(uids=uids, shards=[Shard("s", len(uids), sha256)], statistics={})


def _manifest(**splits):
    return dataclasses.replace(MANIFEST, splits=splits)


@pytest.fixture
def run_folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(
        TrainConfig(), _manifest(train=_split(["a", "b"]), validation=_split(["c"]))
    )
    return folder


def test_a_split_with_cases_that_were_trained_on_is_refused(run_folder):
    moved = _manifest(train=_split(["a", "c"]), test=_split(["b", "d"]))
    with pytest.raises(InputError, match=r"^split=test .* 1 case\(s\) .*: b\."):
        run_folder.check_unseen(moved, "test")
    run_folder.check_unseen(moved, "train")
    run_folder.check_unseen(_manifest(test=_split(["d"])), "test")


def test_cases_that_initial_weights_were_trained_on_are_not_scored(
    tmp_path, run_folder, capsys
):
    """Through any number of runs, checkpoints in them, and presets."""
    second, third = RunFolder(tmp_path / "second"), RunFolder(tmp_path / "third")
    data = _manifest(train=_split(["e"]), validation=_split(["f"]), test=_split(["b"]))
    for source, run in ((run_folder, second), (second, third)):
        toy_run(run.path, data, init_from=str(source.path))
        remember(InitialWeights("", 1, 1, [], []), run.config(), run)
        note = f"note: {source.path} was trained on 1 case(s) of the split test:"
        assert note in capsys.readouterr().out
    save_to_preset(third, tmp_path / "preset")
    preset = RunFolder(tmp_path / "preset")
    assert preset.trained_on() == {MANIFEST.dataset: ["a", "b", "e"]}
    for run in (third, preset):
        run.check_unseen(data, "validation")
        with pytest.raises(
            InputError, match=r"did not train on, but the weights .*: b"
        ):
            run.check_unseen(data, "test")
    run.check_unseen(dataclasses.replace(data, dataset="other"), "test")
    config = TrainConfig(folds=2, fold=0, init_from=str(preset.path))
    fold = _manifest(train=_split(["g"]), validation=_split(["a"]))
    with pytest.raises(
        InputError, match="trained on 1 of the cases that fold 0 is vali"
    ):
        check_start_is_unaware(config, fold)


def test_a_model_that_does_not_say_what_it_has_seen_is_noted(tmp_path, capsys):
    config = TrainConfig(init_from="hippocampus")
    for dataset, number in (("hippocampus", 1), ("phantoms", 0)):
        data = dataclasses.replace(_manifest(train=_split(["a"])), dataset=dataset)
        run = RunFolder(toy_run(tmp_path / dataset, data))
        remember(InitialWeights("", 1, 1, [], []), config, run)
        assert run.trained_on()[dataset] == ["a"]
        note = "note: hippocampus was trained on cases of hippocampus and does not say"
        assert capsys.readouterr().out.count(note) == number


@pytest.mark.parametrize(
    "name, splits",
    [
        ("train", {"train": _split(["a", "d"]), "validation": _split(["c"])}),
        ("train", {"train": _split(["a", "b"], "1"), "validation": _split(["c"])}),
        ("validation", {"train": _split(["a", "b"]), "validation": _split(["d"])}),
        ("validation", {"train": _split(["a", "b"])}),
    ],
)
def test_a_run_does_not_go_on_with_other_cases(run_folder, name, splits):
    before = run_folder.manifest()
    with pytest.raises(InputError, match=f"other data: the split {name}"):
        run_folder.begin(TrainConfig(), _manifest(**splits))
    assert run_folder.manifest() == before


def test_a_run_keeps_its_manifest(run_folder):
    before = run_folder.manifest()
    more = {**before.splits, "test": _split(["e"])}
    run_folder.begin(TrainConfig(epochs=20), dataclasses.replace(before, splits=more))
    assert run_folder.manifest() == before
    assert run_folder.config().epochs == 20


def _write_checkpoint(run_folder, epoch):
    path = run_folder.path / "checkpoints" / f"epoch-{epoch:05d}.keras"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", bytes(range(256)))
    return path


def test_a_run_goes_on_after_its_newest_checkpoint(run_folder):
    assert run_folder.place() == (0, 0)
    with pytest.raises(InputError, match="no checkpoint yet"):
        run_folder.load_model()
    _write_checkpoint(run_folder, 1)
    _write_checkpoint(run_folder, 2)
    assert run_folder.place() == (2, 0)


@pytest.mark.parametrize("damage", ["empty", "truncated", "changed"])
def test_a_damaged_checkpoint_is_named(run_folder, damage):
    _write_checkpoint(run_folder, 1)
    path = _write_checkpoint(run_folder, 2)
    whole = path.read_bytes()
    changed = whole.replace(bytes(range(100, 110)), bytes(10))
    path.write_bytes(
        {"empty": b"", "truncated": whole[:200], "changed": changed}[damage]
    )
    with pytest.raises(InputError, match=f"{path.name} is damaged; remove it"):
        run_folder.load_model()
    assert run_folder.place() == (1, 0)  # Training goes on from the one before.


@pytest.mark.parametrize(
    "changed", ['"num_channels": [4, 16]', '"num_chanels": [4, 8]']
)
def test_a_checkpoint_of_another_version_is_named(tmp_path, changed):
    folder = RunFolder(toy_run(tmp_path / "run", **TWO_LEVELS))
    path = folder.newest_checkpoint()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode()
    parts["config.json"] = config.replace('"num_channels": [4, 8]', changed)
    assert parts["config.json"] != config
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=f"{path.name} is whole, but does not fit"):
        folder.load_model()
