"""Two arms on small cubes, from shards to the table."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from tests.commands import run_module
from tests.data_tools.cube_shards import cube_shards
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.results_folder import read_values
from tf_diffseg.runs.ablation import clock
from tf_diffseg.runs.ablation.run_ablation import run_ablation
from tf_diffseg.runs.planning.config_source import config_source
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.saving.trained_model import load_trained_model

_CONFIG = TrainConfig(
    patch_shape=(8, 8, 8),
    num_channels=(4,),
    num_heads=0,
    epochs=2,
    warmup_steps=0,
    learning_rate=0.02,
    validation_pictures=0,
    jit="off",
)
_CHANGES = {"supervised": {"strategy": "supervised"}, "recycling": {}}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Eight small cubes, four of them to train on."""
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return cube_shards(folder, folder / "shards", split, num_cases=8)


def _run(shards, folder, config=_CONFIG, **arguments):
    arguments = {"num_seeds": 1} | arguments
    return run_ablation(config, _CHANGES, shards, folder, **arguments)


@pytest.fixture(scope="module")
def undisturbed(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation") / "out"
    return folder, _run(shards, folder)


def _weights(folder, arm):
    (path,) = (folder / "runs" / arm / "seed-0/checkpoints").glob("epoch-00002.keras")
    return load_trained_model(path).get_weights()


def test_tables_plot_and_page_hold_what_was_found(undisturbed):
    folder, rows = undisturbed
    assert [row["names"] for row in rows] == [["default", "recycling"], ["supervised"]]
    assert all(row["steps"] == 4 and row["minutes"][0] > 0 for row in rows)
    results = folder / "validation"
    found = json.loads((results / "ablation.json").read_text())
    assert found["split"] == "validation" and found["arms"] == rows
    text = (results / "ablation.md").read_text()
    assert "| default = recycling | 4 |" in text
    assert "| supervised | strategy=supervised |" in text
    page = (results / "ablation.html").read_text()
    assert "<td>supervised</td>" in page and "data:image/png;base64," in page
    assert (results / "ablation.png").stat().st_size > 10_000
    assert (results / "default/seed-0/metrics.csv").is_file()


def test_a_fold_is_scored_on_cases_that_it_has_not_seen(shards, tmp_path):
    fold = {"folds": 4, "fold": 1, "test_in_folds": True}
    config = dataclasses.replace(_CONFIG, epochs=1, **fold)
    (row,) = _run(shards, tmp_path / "out", config, chosen=["default"])
    run = tmp_path / "out/runs/default/seed-0"
    trained = set(read_manifest(run).split("train").uids)
    scores = read_values(tmp_path / "out/validation/default/seed-0", "dice")
    scored = set(scores["foreground"])
    assert row["steps"] == 3 and len(trained) == 6 and len(scored) == 2
    assert not trained & scored


@pytest.mark.slow
def test_a_killed_run_goes_on_exactly_and_others_are_not_done_again(
    shards, undisturbed, tmp_path, monkeypatch, capsys
):
    (folder, rows), copy = undisturbed, tmp_path / "copy"
    shutil.copytree(folder, copy)
    for part in ("runs", "validation"):
        shutil.rmtree(copy / part / "supervised")

    def die(*_):  # At the end of the first epoch.
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        _run(shards, copy)
    monkeypatch.undo()
    again = _run(shards, copy)
    output = capsys.readouterr().out
    assert "== default, seed-0: done" in output and "going on after epoch 1" in output
    for one, other in zip(
        _weights(folder, "supervised"), _weights(copy, "supervised"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert [row["dice"] for row in again] == [row["dice"] for row in rows]


@pytest.mark.slow
def test_seeds_and_splits_are_added(shards, undisturbed, capsys):
    folder, rows = undisturbed
    more = _run(shards, folder, num_seeds=2, split="test", chosen=["recycling"])
    output = capsys.readouterr().out
    assert output.count("nothing to do") == 1 and "== default, seed-1" in output
    assert [len(row["dice"]) for row in more] == [2]
    table = (folder / "test/ablation.md").read_text()
    assert "Not in the table: supervised (0 of 2 seeds)." in table
    assert rows[0]["names"] == more[0]["names"]
    with pytest.raises(InputError, match="^seeds=1: .* has tables of 2 seeds"):
        _run(shards, folder, split="test", chosen=["recycling"])


@pytest.mark.slow
def test_arms_that_are_added_do_not_take_the_place_of_others(
    shards, undisturbed, tmp_path
):
    copy = shutil.copytree(undisturbed[0], tmp_path / "copy")
    added = {"ema": {"ema": 0.5}}
    rows = run_ablation(_CONFIG, added, shards, copy, num_seeds=1)
    names = [row["names"][0] for row in rows]
    assert names == ["default", "supervised", "ema"]
    assert "| ema | " in (copy / "validation" / "ablation.md").read_text()


@pytest.mark.slow
def test_the_command_measures_steps_and_takes_arms_of_a_file(shards, tmp_path):
    config, arms_file = tmp_path / "config.py", tmp_path / "arms.json"
    config.write_text(config_source(_CONFIG))
    arms_file.write_text('{"dice": {"cross_entropy_weight": 0.0}, "ema": {"ema": 0.5}}')
    process = run_module(
        "experiments.ablation",
        f"--data_dir={shards}",
        f"--output_dir={tmp_path / 'out'}",
        f"--arms_file={arms_file}",
        "--arms=dice",
        "--seeds=1",
        "--equal=minutes",
        f"--config={config}",
        "--epochs=10",
    )
    assert process.returncode == 0, process.stderr
    assert "measuring dice" in process.stdout and "in whole epochs" in process.stdout
    assert "| dice | " in process.stdout and "| ema | " not in process.stdout
    settings = json.loads((tmp_path / "out/settings.json").read_text())
    assert settings["equal"] == "minutes" and set(settings["epochs"]) == {
        "default",
        "dice",
    }


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"config": TrainConfig(**{**vars(_CONFIG), "learning_rate": 0.5})},
            "was begun with other settings: learning_rate was 0.02, now 0.5. Name an",
        ),
        ({"budget_minutes": 9.0}, "budget_minutes was nothing, now 9.0"),
        ({"equal": "minutes"}, "equal was steps, now minutes"),
        ({"split": "magic"}, "no split 'magic'"),
        ({"chosen": ["magic"]}, "^arms=magic: expected some of default, recycling, su"),
    ],
)
def test_refuses_other_settings_in_one_line(shards, undisturbed, changes, message):
    with pytest.raises(InputError, match=message) as refused:
        _run(shards, undisturbed[0], **changes)
    assert "\n" not in str(refused.value)


def test_refuses_an_arm_that_has_changed_since_it_was_trained(shards, undisturbed):
    changed = {"supervised": {"strategy": "supervised", "learning_rate": 0.1}}
    expected = "^arms=supervised: .*learning_rate was 0.02, now 0.1. Give the arm"
    with pytest.raises(InputError, match=expected):
        run_ablation(_CONFIG, changed, shards, undisturbed[0], num_seeds=1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"early_stopping": 2}, "^early_stopping=2 would end some arms before others"),
        ({"num_heads": 3}, "^arms=default: num_heads=3 does not divide"),
    ],
)
def test_refuses_before_anything_is_written(shards, tmp_path, changes, message):
    config = TrainConfig(**{**vars(_CONFIG), **changes})
    with pytest.raises(InputError, match=message):
        _run(shards, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()
