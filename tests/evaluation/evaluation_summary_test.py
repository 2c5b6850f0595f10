"""Means and intervals of cases whose scores are known."""

import json

import numpy as np
import pytest
from scipy import stats

from tests.runs import toy_evaluation as toy
from tf_diffseg.evaluation.evaluation_summary import summarize
from tf_diffseg.evaluation.metric_columns import METRICS, metric_values


def _summary(dice, **more):
    cases = [toy.scores(f"case{i}", value) for i, value in enumerate(dice)]
    return summarize(cases, ["background", "liver"])


def test_a_case_without_the_class_is_not_in_the_means_but_counted():
    summary = _summary([0.5, np.nan, 0.9, 0.1])
    liver = summary["classes"]["liver"]
    assert liver["dice"] == summary["mean_foreground_dice"] == 0.5
    assert (liver["num_counted"], liver["num_absent"]) == (3, 1)
    assert liver["metrics"]["hd95_mm"] == {
        "mean": 1.0,
        "std": 0.0,
        "ci95": [1.0, 1.0],
        "num_counted": 3,
    }
    assert liver["dice_per_step"] == [0.25, 0.5]
    json.dumps(summary, allow_nan=False)


def test_a_class_that_no_case_has_gets_no_figures():
    summary = _summary([np.nan, np.nan])
    liver = summary["classes"]["liver"]
    assert liver["dice"] is None and liver["metrics"]["dice"]["ci95"] is None
    assert summary["mean_foreground_dice"] is None
    assert summary["mean_foreground_dice_ci95"] is None
    json.dumps(summary, allow_nan=False)


def test_missed_and_invented_classes_are_told_apart():
    cases = [toy.scores(name, 0.0) for name in "abc"]
    for case, true, predicted in zip(cases, (1, 0, 1), (0, 1, 1), strict=True):
        case.metrics.true_volume_ml[1] = true
        case.metrics.predicted_volume_ml[1] = predicted
    liver = summarize(cases, ["background", "liver"])["classes"]["liver"]
    assert (liver["num_missed"], liver["num_invented"]) == (1, 1)


def test_the_interval_is_that_of_a_bootstrap():
    dice = np.random.default_rng(1).beta(8, 2, size=40)
    summary = _summary(dice)
    found = stats.bootstrap(
        (dice,), np.mean, method="percentile", n_resamples=9999, random_state=3
    ).confidence_interval
    interval = summary["mean_foreground_dice_ci95"]
    assert interval == summary["classes"]["liver"]["metrics"]["dice"]["ci95"]
    np.testing.assert_allclose(interval, found, atol=0.004)
    assert _summary(dice)["mean_foreground_dice_ci95"] == interval
    assert _summary(dice[:1])["mean_foreground_dice_ci95"] is None


def test_expected_and_true_dice_are_correlated_by_rank():
    cases = [
        toy.scores(str(i), dice, expected_dice=expected)
        for i, (dice, expected) in enumerate([(0.1, 0.2), (0.5, 0.3), (0.9, 0.99)])
    ]
    found = summarize(cases, ["background", "liver"])["uncertainty"]
    assert found["spearman"] == 1.0 and found["mean_error_auroc"] == 0.9
    same = summarize(cases[:2], ["background", "liver"])["uncertainty"]
    assert same["spearman"] is None


def test_every_metric_of_a_case_has_a_title():
    values = metric_values(toy.scores("a", 0.5))
    assert [metric.key for metric in METRICS] == sorted(
        values, key=[metric.key for metric in METRICS].index
    )
    assert values["surface_dice_2mm"][1] == pytest.approx(0.25)
