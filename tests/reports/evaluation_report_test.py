"""The files of an evaluation, of cases whose scores are known."""

import csv
import json

import numpy as np
import pytest

from tests.data_tools.full_disk import largest_file
from tests.runs import toy_evaluation as toy
from tf_diffseg.errors import InputError
from tf_diffseg.reports import evaluation_report

CASES = [
    toy.scores(uid, dice)
    for uid, dice in {"a": 0.5, "b": np.nan, "c": 0.9, "d": 0.1}.items()
]


def _write(folder, drawn="acd"):
    volumes = dict.fromkeys(drawn, toy.volumes())
    evaluation_report.write(CASES, volumes, toy.MANIFEST, "test", folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of an evaluation."""
    folder = tmp_path_factory.mktemp("evaluation")
    _write(folder)
    return folder


def test_worst_median_and_best_are_drawn():
    drawn = evaluation_report.drawn_cases(CASES)
    assert drawn == {"worst": "d", "median": "a", "best": "c"}
    assert evaluation_report.drawn_cases(CASES[:1]) == dict.fromkeys(drawn, "a")
    assert evaluation_report.drawn_cases(CASES[1:2]) == {}


def test_only_the_volumes_of_drawn_cases_are_needed(folder):
    names = {path.name for path in folder.iterdir()}
    pictures = {"best.png", "median.png", "worst.png"}
    assert names == pictures | {"metrics.csv", "metrics.json"}
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary["mean_foreground_dice"] == 0.5
    assert summary["data"] == {"dataset": "phantom", "split": "test"}
    assert summary["classes"]["liver"]["num_absent"] == 1


def test_every_metric_has_its_column(folder):
    with open(folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["uid"] for row in rows] == ["a", "b", "c", "d", "mean", "mean"]
    assert rows[0]["class_name"] == "liver" and rows[0]["class_id"] == "1"
    assert rows[0]["dice"] == "0.5" and rows[0]["surface_dice_2mm"] == "0.25"
    assert rows[1]["dice"] == rows[1]["hd95_mm"] == ""
    assert rows[1]["true_volume_ml"] == "0"
    assert rows[4]["dice"] == rows[5]["dice"][:3] == "0.5"


def test_files_are_written_all_or_none(tmp_path):
    with pytest.raises(KeyError):
        _write(tmp_path, drawn="a")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_leaves_the_files_of_before(folder):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="cannot write .*/worst.png: File too large"):
        with largest_file(10_000):
            _write(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
