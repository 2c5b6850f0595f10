"""A run takes other weights once, at its start, says so, and goes on from its own."""

import dataclasses
import json

import numpy as np
import pytest

from tests.data_tools.cube_shards import cube_shards
from tests.runs.toy_run import TWO_LEVELS, toy_run
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs import training_run
from tf_diffseg.runs.initial_weights import config_of_start
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training import train
from tf_diffseg.training import load_trained_model

# Two levels, so that there is an encoder; `toy_run` makes the same network.
CONFIG = TrainConfig(
    patch_shape=(8, 8, 8),
    num_channels=(4, 8),
    num_heads=2,
    epochs=1,
    batch_size=2,
    warmup_steps=0,
    learning_rate=0.01,
    validation_pictures=0,
    jit="off",
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Four small cubes of two channels, two classes, to train on."""
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 1.0}
    return cube_shards(folder, folder / "shards", split, num_cases=4, num_channels=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run on one channel and three classes."""
    return toy_run(tmp_path_factory.mktemp("source") / "run", **TWO_LEVELS)


def _train(shards, folder, **changes):
    train(dataclasses.replace(CONFIG, **changes), shards, folder)


def _values(model):
    return {w.path: np.asarray(w).copy() for w in model.weights}


def _weights(run):
    """Weights of a run's newest checkpoint, by name."""
    return _values(load_trained_model(RunFolder(run).existing_checkpoint()))


@pytest.fixture
def begun(monkeypatch):
    """A list of the models that runs begin to train; they are not trained."""
    models = []

    def keep(plan, model, *others):
        del plan, others
        models.append(model)

    monkeypatch.setattr(training_run, "fit_to_folder", keep)
    return models


def test_a_run_starts_from_another_ones_weights(
    shards, source, tmp_path, begun, capsys
):
    run = tmp_path / "run"
    for _ in range(2):  # As if it was killed before its first checkpoint.
        _train(shards, run, init_from=str(source))
    _train(shards, tmp_path / "plain")
    found, found_again, drawn = map(_values, begun)
    expected = _weights(source)
    ends = {"stem/kernel", "head/kernel", "head/bias"}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        origin = drawn if name in ends else expected
        np.testing.assert_array_equal(value, origin[name], err_msg=name)
        np.testing.assert_array_equal(found_again[name], value, err_msg=name)
    assert RunFolder(run).config().init_from == str(source)
    written = json.loads((run / "initial_weights.json").read_text())
    assert written["source"].startswith(f"{source}/checkpoints/epoch-00001.keras (")
    printed = capsys.readouterr().out
    assert f"parameters are those of {written['source']}" in printed
    assert "head/kernel" in printed and "1x1x1x2x4" in printed
    assert not (tmp_path / "plain" / "initial_weights.json").exists()


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_its_weights_and_its_frozen_layers(
    shards, tmp_path, capsys
):
    # Of the strategies the one that compiles fastest.
    supervised = {"strategy": "supervised"}
    source = toy_run(tmp_path / "source", **TWO_LEVELS, **supervised)
    run = tmp_path / "run"
    _train(shards, run, init_from=str(source), freeze="encoder", **supervised)
    first, origin = _weights(run), _weights(source)
    frozen = json.loads((run / "initial_weights.json").read_text())["frozen"]
    encoder = ["encoder_0_0", "down_0", "bottom_0", "bottom_attention", "bottom_1"]
    assert sorted(frozen) == sorted(encoder)
    capsys.readouterr()
    # The source is not read again, and need not be named.
    source.rename(source.with_name("moved"))
    _train(shards, run, epochs=2, **supervised)
    printed = capsys.readouterr().out
    assert f"init_from={source} was used when this run began" in printed
    last = _weights(run)
    moved = {name for name in last if (last[name] != first[name]).any()}
    trained = {"stem", "up_0", "decoder_0_0", "head_norm", "head"}
    assert {name.split("/")[0] for name in moved} == trained
    for name, value in last.items():
        if name.split("/")[0] in frozen:
            np.testing.assert_array_equal(value, origin[name], err_msg=name)
    assert RunFolder(run).config().init_from == str(source)
    assert RunFolder(run).config().freeze == "encoder"


def test_a_run_without_its_list_of_frozen_layers_does_not_go_on(
    shards, source, tmp_path, begun
):
    run = tmp_path / "run"
    toy_run(run, read_manifest(shards), init_from=str(source), freeze="encoder")
    config = RunFolder(run).config()
    with pytest.raises(InputError, match="initial_weights.json says which layers"):
        train(dataclasses.replace(config, epochs=2), shards, run)
    assert begun == []


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("missing", "there is no such file or folder"),
        ("damaged", "is damaged, or no .keras file"),
        ("unlike", "shares no weight with the network"),
    ],
)
def test_a_bad_source_is_refused_before_anything_is_written(
    shards, source, tmp_path, kind, expected
):
    there = tmp_path / "there.keras"
    changes = {}
    if kind == "damaged":
        whole = RunFolder(source).existing_checkpoint()
        there.write_bytes(whole.read_bytes()[:-1000])
    elif kind == "unlike":
        there = source
        changes = {"num_channels": (6, 12), "kernel_size": (1, 1, 3)}
    with pytest.raises(InputError) as refusal:
        _train(shards, tmp_path / "run", init_from=str(there), **changes)
    message = str(refusal.value)
    assert message.startswith(f"init_from={there}: ") and expected in message
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_begun_twice_from_different_weights(shards, source, tmp_path):
    run = tmp_path / "run"
    manifest = read_manifest(shards)
    RunFolder(run).begin(CONFIG, manifest)
    with pytest.raises(InputError, match=f"init_from was nothing, now {source}"):
        _train(shards, run, init_from=str(source))


def test_weights_that_are_drawn_at_random_cannot_be_frozen():
    with pytest.raises(InputError, match="freeze=encoder needs `init_from`"):
        dataclasses.replace(CONFIG, freeze="encoder")


def test_the_config_holds_an_absolute_path_or_a_model_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(tmp_path / "run")

    def recorded(init_from):
        config = dataclasses.replace(CONFIG, init_from=init_from)
        return config_of_start(config, folder).init_from

    assert recorded("") == ""
    assert recorded("../other") == str(tmp_path.parent / "other")
    assert recorded("hippocampus") == "hippocampus"
    (tmp_path / "hippocampus").mkdir()
    assert recorded("hippocampus") == str(tmp_path / "hippocampus")
