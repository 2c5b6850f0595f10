"""Arms of several seeds, held against the first."""

import numpy as np
import pytest
from scipy import stats

from tf_diffseg.evaluation.arm_scores import ArmScores, compare_arms
from tf_diffseg.evaluation.results_folder import with_foreground
from tf_diffseg.evaluation.strategy_scores import METRICS

_UIDS = [f"case{index}" for index in range(8)]


def _arm(name, seeds):
    """An arm of one class; `seeds` is [seeds, cases]."""
    tables = [
        with_foreground({"liver": dict(zip(_UIDS, values, strict=True))})
        for values in seeds
    ]
    values = {metric: tables for metric in METRICS}
    per_step = [[0.5, float(np.mean(values))] for values in seeds]
    return ArmScores((name,), {}, 100, [1.0] * len(seeds), values, per_step)


def _seeds(shift, spread=0.0):
    rng = np.random.default_rng(int(1000 * shift))
    first = 0.7 + shift + 0.01 * rng.normal(size=len(_UIDS))
    return np.stack([first, first + spread])


def test_cases_are_paired_by_their_means_over_the_seeds():
    default, better = _seeds(0.0, 0.02), _seeds(0.1)
    first, row = compare_arms([_arm("default", default), _arm("better", better)])
    means = better.mean(axis=0), default.mean(axis=0)
    assert row["p"] == pytest.approx(stats.wilcoxon(*means).pvalue)
    assert row["difference"] == pytest.approx(np.mean(means[0] - means[1]))
    # The two seeds of the default differ by 0.02, those of the other do not.
    assert first["std_seeds"] == pytest.approx(0.02 / np.sqrt(2))
    assert row["difference_std_seeds"] == pytest.approx(0.02 / np.sqrt(2))
    assert row["std_seeds"] == 0.0
    assert (row["num_better"], row["num_worse"]) == (8, 0)
    assert row["worst"] == pytest.approx(means[0].min())
    assert row["std_cases"] == pytest.approx(means[0].std())
    assert "p" not in first


def test_p_values_are_corrected_for_the_number_of_arms():
    arms = [_arm(name, _seeds(shift)) for name, shift in (("a", 0), ("b", 0.1))]
    alone = compare_arms(arms)[1]
    three = compare_arms([*arms, _arm("c", _seeds(0.2))])
    assert alone["p_holm"] == alone["p"] == three[1]["p"]
    assert three[1]["p_holm"] == pytest.approx(2 * alone["p"])


def test_one_seed_has_no_spread_and_a_missing_class_no_score():
    seeds = _seeds(0.0)[:1]
    seeds[0, 0] = np.nan
    (row,) = compare_arms([_arm("a", seeds)])
    assert row["std_seeds"] is None and row["num_cases"] == 7
    assert row["mean"] == pytest.approx(np.nanmean(seeds))
    assert row["classes"]["liver"]["dice"]["mean"] == pytest.approx(row["mean"])
