"""Figures of an evaluation: means over cases, with confidence intervals."""

import numpy as np
from scipy import stats

from tf_diffseg.evaluation.means import foreground_mean, nan_mean
from tf_diffseg.evaluation.metric_columns import METRICS, metric_values

_NUM_RESAMPLES = 2000
_PERCENTILES = (2.5, 97.5)


def summarize(cases, class_names):
    """Takes means over cases, per target and of the foreground.

    Args:
        cases: list of `CaseScores`.
        class_names: names of the targets, background first.

    Returns:
        JSON-able dict. `num_cases`; `mean_foreground_dice`, the mean of
        `foreground_mean`, with `mean_foreground_dice_ci95` and
        `mean_foreground_dice_per_step`; `uncertainty`, see `_uncertainty`; `ignored`,
        how many `voxels` of how many `cases` have no true class. `classes` holds for
        each foreground target `dice`, `dice_std`, `dice_per_step`, `hd95_mm`; the
        number of cases in which it was scored (`num_counted`), is absent from truth and
        prediction (`num_absent`), was missed (`num_missed`) or invented
        (`num_invented`); and `metrics` with `mean`, `std`, `ci95` and `num_counted` by
        key of `METRICS`. Intervals are 95%, by bootstrap over the cases. None stands
        for what is not defined.
    """
    dice_per_step = np.stack([case.dice_per_step for case in cases])
    step_means = nan_mean(dice_per_step, axis=0)
    foreground = foreground_mean(dice_per_step[..., 1:])  # [cases, steps]
    per_case = [metric_values(case) for case in cases]
    classes = {}
    for class_id, name in enumerate(class_names[1:], start=1):
        values = {
            metric.key: np.array([case[metric.key][class_id] for case in per_case])
            for metric in METRICS
        }
        metrics = {key: _statistics(column) for key, column in values.items()}
        is_counted = ~np.isnan(values["dice"])
        # A case without a true volume, not even 0, is not known.
        is_absent = ~is_counted & ~np.isnan(values["true_volume_ml"])
        is_true = values["true_volume_ml"] > 0.0
        is_predicted = values["predicted_volume_ml"] > 0.0
        classes[name] = {
            "dice": metrics["dice"]["mean"],
            "dice_std": metrics["dice"]["std"],
            "dice_per_step": list(map(number, step_means[:, class_id])),
            "hd95_mm": metrics["hd95_mm"]["mean"],
            "num_counted": int(is_counted.sum()),
            "num_absent": int(is_absent.sum()),
            "num_missed": int((is_true & ~is_predicted).sum()),
            "num_invented": int((is_predicted & ~is_true).sum()),
            "metrics": metrics,
        }
    return {
        "num_cases": len(cases),
        "mean_foreground_dice": number(nan_mean(foreground[:, -1])),
        "mean_foreground_dice_ci95": bootstrap_interval(foreground[:, -1]),
        "mean_foreground_dice_per_step": list(
            map(number, nan_mean(foreground, axis=0))
        ),
        "uncertainty": _uncertainty(cases),
        "ignored": {
            "voxels": sum(case.ignored_voxels for case in cases),
            "cases": sum(case.ignored_voxels > 0 for case in cases),
        },
        "classes": classes,
    }


def _statistics(values):
    counted = values[~np.isnan(values)]
    return {
        "mean": number(nan_mean(values)),
        "std": number(np.std(counted)) if counted.size else None,
        "ci95": bootstrap_interval(values),
        "num_counted": int(counted.size),
    }


def bootstrap_interval(values):
    """95% interval of the mean of [cases], by bootstrap; None if not defined."""
    num_cases = len(values)
    if num_cases < 2 or np.isnan(values).all():
        return None
    chosen = np.random.default_rng(0).integers(
        num_cases, size=(_NUM_RESAMPLES, num_cases)
    )
    means = nan_mean(values[chosen], axis=1)
    return [number(v) for v in np.percentile(means[~np.isnan(means)], _PERCENTILES)]


def _uncertainty(cases):
    """Tells whether uncertainty goes with error.

    `spearman` and `spearman_p` are the rank correlation of expected Dice with mean Dice
    over the cases, see `CaseScores`; `mean_error_auroc` is a mean over the cases.
    """
    expected = np.array([case.expected_dice for case in cases])
    found = np.array([case.mean_dice for case in cases])
    is_defined = ~np.isnan(expected + found)
    expected, found = expected[is_defined], found[is_defined]
    correlation = p_value = np.nan
    # Fewer or equal values have no correlation.
    if len(found) > 2 and min(np.ptp(expected), np.ptp(found)) > 0.0:
        result = stats.spearmanr(expected, found)
        correlation, p_value = result.statistic, result.pvalue
    return {
        "spearman": number(correlation),
        "spearman_p": number(p_value),
        "mean_error_auroc": number(nan_mean([case.error_auroc for case in cases])),
    }


def number(value):
    """A float that JSON can hold; None for NaN."""
    return None if np.isnan(value) else round(float(value), 6)
