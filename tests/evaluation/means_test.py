"""Means of defined values, and the mean that is called foreground."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from tests.runs import toy_evaluation as toy
from tf_diffseg.evaluation.means import foreground_mean, nan_mean
from tf_diffseg.evaluation.results_folder import read_values
from tf_diffseg.evaluation.run_comparison import compare
from tf_diffseg.reports import evaluation_report


def test_means_leave_out_nan():
    values = [[0.5, np.nan], [0.1, 0.3], [np.nan, np.nan]]
    np.testing.assert_allclose(foreground_mean(values), [0.5, 0.2, np.nan])
    np.testing.assert_allclose(nan_mean(values, axis=0), [0.3, 0.3])
    assert nan_mean(values) == pytest.approx(0.3)


def _scores(uid, dice):
    """Scores with the given Dice of each foreground class."""
    one = toy.scores(uid, dice[0])
    values = np.array([np.nan, *dice])
    names = [field.name for field in dataclasses.fields(one.metrics)]
    metrics = dict.fromkeys(names, values) | {"surface_dice": (values, values)}
    return dataclasses.replace(
        one,
        metrics=dataclasses.replace(one.metrics, **metrics),
        dice_per_step=values[np.newaxis],
    )


def test_foreground_is_the_same_mean_in_every_file_and_comparison(tmp_path):
    # The mean of the classes' means would be (0.8 + 0.2) / 2.
    cases = [_scores("a", [0.9, 0.2]), _scores("b", [0.7, np.nan])]
    manifest = dataclasses.replace(
        toy.MANIFEST, class_names=["background", "liver", "spleen"]
    )
    volumes = dict.fromkeys("ab", toy.volumes())
    evaluation_report.write(cases, volumes, manifest, "test", tmp_path)
    with open(tmp_path / "metrics.csv", encoding="utf-8") as file:
        (row,) = [r for r in csv.DictReader(file) if r["class_name"] == "foreground"]
    summary = json.loads((tmp_path / "metrics.json").read_text())
    table = read_values(tmp_path, "dice")
    compared = {row["class"]: row["mean"] for row in compare([table, table])}
    expected = pytest.approx((0.55 + 0.7) / 2)
    assert float(row["dice"]) == expected
    assert summary["mean_foreground_dice"] == expected
    assert summary["mean_foreground_dice_per_step"] == [expected]
    assert compared["foreground"] == expected
