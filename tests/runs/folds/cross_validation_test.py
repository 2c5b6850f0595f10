"""A cross-validation scores each case once, by a network that has not seen it."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from tests.data_tools.cube_shards import cube_shards
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.stored_scores import scores_from_json, scores_to_json
from tf_diffseg.runs import RunFolder, TrainedModels, evaluate_run
from tf_diffseg.runs.export import ExportOptions, export_run
from tf_diffseg.runs.folds import fold_scores
from tf_diffseg.runs.folds.cross_validation import cross_validate
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.planning.recommendation import recommend_config
from tf_diffseg.runs.pretrained import InitError, load_pretrained
from tf_diffseg.runs.segmentation.segmenter import load_segmenter
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training import train
from tf_diffseg.volumes.volume_files import read_image

CONFIG = TrainConfig(
    patch_shape=(8, 8, 8),
    num_channels=(4,),
    num_heads=0,
    epochs=1,
    validation_pictures=0,
    validation_frequency=1,
    strategy="supervised",
    folds=2,
    test_in_folds=True,
)
_NUM_CASES = 7


def _fold(fold, **changes):
    return dataclasses.replace(CONFIG, fold=fold, **changes)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Seven small cubes in three splits."""
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.4, "validation": 0.3, "test": 0.3}
    return cube_shards(folder, folder / "shards", split, _NUM_CASES)


@pytest.fixture(scope="module")
def validated(shards):
    """(folder, summary) of a cross-validation of which fold 1 was trained by itself."""
    folder = shards.parent / "folds"
    train(_fold(1), shards, folder / "fold_1")
    before = _checkpoints(folder)
    summary = cross_validate(CONFIG, shards, folder, viewer_mb=1.0)
    assert before.items() <= _checkpoints(folder).items()
    return folder, summary


@pytest.fixture(scope="module")
def scores(shards, validated):
    """`CaseScores` of the validation of each fold, by the function for any run."""
    folder, _ = validated
    return [evaluate_run(folder / f"fold_{i}", shards, "validation") for i in (0, 1)]


def _checkpoints(folder):
    paths = folder.glob("fold_*/checkpoints/*.keras")
    return {path: path.stat().st_mtime_ns for path in paths}


def test_each_case_is_scored_once_by_a_network_that_has_not_seen_it(
    shards, validated, scores
):
    folder, summary = validated
    splits = read_manifest(shards).splits.values()
    uids = {uid for split in splits for uid in split.uids}
    with open(folder / "results" / "metrics.csv") as file:
        rows = [row["uid"] for row in csv.DictReader(file) if row["uid"] != "mean"]
    assert len(uids) == len(rows) == summary["num_cases"] == _NUM_CASES
    assert set(rows) == uids
    assert sorted(fold["num_cases"] for fold in summary["folds"]) == [3, 4]
    for fold, cases in enumerate(scores):
        splits = RunFolder(folder / f"fold_{fold}").manifest().splits
        assert {case.uid for case in cases}.isdisjoint(splits["train"].uids)
        dice = np.mean([case.mean_dice for case in cases])
        found = summary["folds"][fold]["mean_foreground_dice"]
        assert found == pytest.approx(dice, abs=1e-6)
    worst = summary["worst_cases"]
    assert [case["mean_dice"] for case in worst] == sorted(
        case["mean_dice"] for case in worst
    )


def test_the_results_hold_tables_and_a_page(validated):
    folder, summary = validated
    names = {path.name for path in (folder / "results").iterdir()}
    assert names == {
        "metrics.json",
        "metrics.csv",
        "report.html",
        "cross_validation.md",
    }
    assert json.loads((folder / "results" / "metrics.json").read_text()) == summary
    page = (folder / "results" / "report.html").read_text()
    cases = json.loads(
        re.search('<script type="application/json" id="data">(.*?)</script>', page)[1]
    )["cases"]
    assert len(cases) == _NUM_CASES and {case["fold"] for case in cases} == {0, 1}
    assert all(case["picture"] for case in cases)
    table = (folder / "results" / "cross_validation.md").read_text()
    assert re.search(r"\| fold 1 \| [34] \| [01]\.\d{3} \| ", table)
    assert re.search(r"\| cases, mean ± std \| 7 \| [01]\.\d{3} \| ", table)


def test_what_is_done_is_not_done_again(shards, validated, capsys):
    folder, summary = validated
    before = _checkpoints(folder)
    assert cross_validate(CONFIG, shards, folder, viewer_mb=1.0) == summary
    assert _checkpoints(folder) == before
    output = capsys.readouterr().out
    assert output.count("nothing to do") == 2


@pytest.mark.parametrize("changed", ["network", "version"])
def test_what_another_network_or_version_scored_is_scored_again(
    shards, validated, tmp_path, monkeypatch, changed
):
    folder = tmp_path / "copy"
    shutil.copytree(validated[0], folder)
    if changed == "version":
        monkeypatch.setattr(fold_scores, "__version__", "0.0.1")
    else:
        # As after another training in the same folder, for as many epochs.
        path = sorted((folder / "fold_0" / "checkpoints").glob("epoch-*"))[-1]
        other = sorted((folder / "fold_1" / "checkpoints").glob("epoch-*"))[-1]
        path.write_bytes(other.read_bytes())
    before = (folder / "fold_0" / "fold_scores.json").read_text()
    cross_validate(CONFIG, shards, folder, viewer_mb=1.0)
    assert (folder / "fold_0" / "fold_scores.json").read_text() != before


def test_other_folds_are_refused(shards, validated):
    folder, _ = validated
    for changes, told in (
        ({"folds": 3}, "folds was 2, now 3"),
        ({"test_in_folds": False}, "test_in_folds was True, now False"),
    ):
        config = dataclasses.replace(CONFIG, **changes)
        with pytest.raises(InputError, match=f"fold_0 holds a run with .*: {told}"):
            cross_validate(config, shards, folder)
    with pytest.raises(InputError, match="another config: fold was 0, now 1"):
        train(_fold(1), shards, folder / "fold_0")


def test_the_folder_is_the_ensemble_of_its_folds(shards, validated, tmp_path):
    """In memory, and exported, where it is refused as a start of training."""
    folder, _ = validated
    trained = TrainedModels([folder], InferenceOptions())
    names = [path.path.name for path in trained.run_folders]
    assert names == ["fold_0", "fold_1"]
    with pytest.raises(InputError, match="split=validation of `data_dir` holds"):
        trained.read_data(shards, "validation")
    scan = shards.parent / "Dataset001_Cube" / "imagesTr" / "case0_0000.nii.gz"
    options = ExportOptions(server_files=False)
    version = export_run(trained, tmp_path / "export", options)
    card = json.loads((version / "assets" / "model_card.json").read_text())
    assert [run["run"] for run in card["ensemble"]] == names
    image = read_image(scan)
    entropies = [
        load_segmenter(path).segment(image, with_uncertainty=True).entropy
        for path in (folder, version)
    ]
    np.testing.assert_allclose(*entropies, atol=1e-4)
    with pytest.raises(InitError, match="is an ensemble of 2 networks"):
        load_pretrained(version)


def test_an_ensemble_needs_all_its_folds(tmp_path):
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "fold_0" / "config.json").write_text(_fold(0).to_json())
    with pytest.raises(InputError, match="the mean of 2 folds yet: fold 1 has no run"):
        TrainedModels([tmp_path], InferenceOptions())
    # A copy of another fold would count twice.
    (tmp_path / "fold_1").mkdir()
    (tmp_path / "fold_1" / "config.json").write_text(_fold(0).to_json())
    with pytest.raises(InputError, match="fold_1 is no run on fold 1 of 2: its config"):
        TrainedModels([tmp_path], InferenceOptions())


def test_folds_are_not_trained_within_a_run(shards, validated):
    folder, _ = validated
    with pytest.raises(InputError, match="^output_dir=.*fold_0 holds a run, and is to"):
        cross_validate(CONFIG, shards, folder / "fold_0")
    assert not (folder / "fold_0" / "fold_0").exists()


def test_a_fold_does_not_begin_from_a_run_that_has_seen_its_cases(shards, validated):
    folder, _ = validated
    run = folder / "fold_0"
    for source in (run, run / "checkpoints" / "epoch-00001.keras"):
        config = _fold(1, init_from=str(source))
        with pytest.raises(InputError, match="was trained on [34] of the cases that f"):
            train(config, shards, shards.parent / "leaking")
    assert not (shards.parent / "leaking").exists()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"folds": 1}, "^folds=1: expected at least 2, or 0 for none"),
        ({"folds": 2, "fold": 2}, "^fold=2: expected 0 to 1 with `folds=2`"),
        ({"fold": 0}, "^fold=0 needs `folds`"),
        ({"folds": 2}, "^folds=2 needs `fold`, from 0 to 1; experiments.cross_val"),
        ({"test_in_folds": True}, "^test_in_folds needs `folds`"),
        ({"folds": 8, "fold": 0}, "^folds=8 is more than the . case.* `test_in_folds`"),
        ({"folds": 4, "fold": 0, "batch_size": 7}, "^batch_size=7 is more than"),
    ],
)
def test_folds_that_cannot_be_are_refused(shards, tmp_path, values, message):
    values = {"folds": 0, "test_in_folds": False} | values
    with pytest.raises(InputError, match=message):
        train(dataclasses.replace(CONFIG, **values), shards, tmp_path / "run")


def test_a_config_is_chosen_for_the_cases_of_the_other_folds(shards):
    folds = {"folds": _NUM_CASES, "test_in_folds": True, "fold": 3}
    found = recommend_config(shards, epochs=1, **folds)
    assert (found.config.folds, found.config.fold) == (_NUM_CASES, 3)
    reasons = {choice.name: choice.why for choice in found.choices}
    assert reasons["batch_size"] == f"{_NUM_CASES - 1} training cases"


def test_scores_are_read_as_they_were_written(scores):
    case = scores[0][0]
    text = json.dumps(scores_to_json(case), allow_nan=False)
    found = scores_from_json(json.loads(text))
    np.testing.assert_equal(dataclasses.asdict(found), dataclasses.asdict(case))
