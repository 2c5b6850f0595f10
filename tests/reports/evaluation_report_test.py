"""The files of an evaluation, made of cases whose scores are known."""

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


def test_worst_median_and_best_are_drawn():
    drawn = evaluation_report.drawn_cases(CASES)
    assert drawn == {"worst": "d", "median": "a", "best": "c"}
    assert evaluation_report.drawn_cases(CASES[:1]) == dict.fromkeys(drawn, "a")
    assert evaluation_report.drawn_cases(CASES[1:2]) == {}


def test_only_the_volumes_of_drawn_cases_are_needed(tmp_path):
    drawn = dict.fromkeys("acd", toy.volumes())
    evaluation_report.write(CASES, drawn, toy.MANIFEST, "test", tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {"best.png", "median.png", "worst.png"}
    assert names == pictures | {"metrics.csv", "metrics.json"}
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["mean_foreground_dice"] == 0.5
    assert summary["data"] == {"dataset": "phantom", "split": "test"}
    assert summary["classes"]["liver"]["num_absent"] == 1


def test_every_metric_has_its_column(tmp_path):
    drawn = dict.fromkeys("acd", toy.volumes())
    evaluation_report.write(CASES, drawn, toy.MANIFEST, "test", tmp_path)
    with open(tmp_path / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["uid"] for row in rows] == ["a", "b", "c", "d", "mean", "mean"]
    assert rows[0]["class_name"] == "liver" and rows[0]["class_id"] == "1"
    assert rows[0]["dice"] == "0.5" and rows[0]["surface_dice_2mm"] == "0.25"
    assert rows[1]["dice"] == rows[1]["hd95_mm"] == ""
    assert rows[1]["true_volume_ml"] == "0"
    assert rows[4]["dice"] == rows[5]["dice"][:3] == "0.5"


def test_files_are_written_all_or_none(tmp_path):
    with pytest.raises(KeyError):
        evaluation_report.write(CASES, {}, toy.MANIFEST, "test", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path):
    drawn = dict.fromkeys("acd", toy.volumes())
    evaluation_report.write(CASES, drawn, toy.MANIFEST, "test", tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="cannot write .*/worst.png: File too large"):
        with largest_file(10_000):
            evaluation_report.write(CASES[:3], drawn, toy.MANIFEST, "test", tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
