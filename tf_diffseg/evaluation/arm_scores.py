"""Arms of an ablation, of several seeds each, held against the first."""

import dataclasses

import numpy as np

from tf_diffseg.evaluation.evaluation_summary import number
from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.evaluation.results_folder import FOREGROUND
from tf_diffseg.evaluation.run_comparison import compare
from tf_diffseg.evaluation.strategy_scores import METRICS


@dataclasses.dataclass(frozen=True)
class ArmScores:
    """The scores of one arm.

    Attributes:
        names: its names.
        changes: dict of the values of the config in which it differs from the first.
        steps: training steps of each run.
        minutes: minutes of training of each seed; None where they are not known.
        values: dict from the keys `METRICS` to a list of results of
            `results_folder.read_values`, one for each seed.
        dice_per_step: list of the mean foreground Dice after each reverse step, [steps]
            for each seed.
    """

    names: tuple[str, ...]
    changes: dict
    steps: int
    minutes: list[float | None]
    values: dict[str, list[dict]]
    dice_per_step: list[list[float]]

    def of_cases(self, metric, class_name):
        """Dict from uid to the mean over the seeds, NaN if it is not defined."""
        seeds = [values[class_name] for values in self.values[metric]]
        return {
            uid: float(nan_mean([values[uid] for values in seeds])) for uid in seeds[0]
        }

    def of_seeds(self, metric, class_name=FOREGROUND):
        """Mean over the cases for each seed, [seeds]."""
        seeds = [list(values[class_name].values()) for values in self.values[metric]]
        return nan_mean(seeds, axis=1)


def compare_arms(arms):
    """Compares every arm with the first, by the mean foreground Dice of each case.

    The value of a case is its mean over the seeds, so cases are what is paired.

    Args:
        arms: list of `ArmScores` of the same seeds and cases.

    Returns:
        List of JSON-able dicts, one for each arm: `names`, `changes`, `steps`,
        `minutes` (of each seed), `num_cases`; `dice` (of each seed), its `mean`,
        `std_seeds` (of the means; None for one seed), `std_cases` and `worst` case;
        `dice_per_step`; and `classes`, with `mean` and `std` over the cases by class
        and metric. All but the first have `difference` (this minus the first) with its
        `difference_std_seeds`, and `num_better`, `num_worse`, `p` and `p_holm` of
        `run_comparison.compare`.
    """
    cases = [arm.of_cases("dice", FOREGROUND) for arm in arms]
    compared = compare([{FOREGROUND: values} for values in cases])
    first = arms[0].of_seeds("dice")
    return [
        _row(arm, first, values, row)
        for arm, values, row in zip(arms, cases, compared, strict=True)
    ]


def _row(arm, first, cases, compared):
    seeds = arm.of_seeds("dice")
    row = {
        "names": list(arm.names),
        "changes": arm.changes,
        "steps": arm.steps,
        "minutes": arm.minutes,
        "num_cases": compared["num_cases"],
        "dice": list(map(number, seeds)),
        "mean": compared["mean"],
        "std_seeds": _std(seeds),
        "std_cases": compared["std"],
        "worst": min((v for v in cases.values() if not np.isnan(v)), default=None),
        "dice_per_step": list(map(number, nan_mean(arm.dice_per_step, axis=0))),
        "classes": _classes(arm),
    }
    if "p" in compared:
        row |= {
            "difference": compared["mean_difference"],
            "difference_std_seeds": _std(seeds - first),
            **{name: compared[name] for name in ("num_better", "num_worse")},
            **{name: compared[name] for name in ("p", "p_holm")},
        }
    return row


def _std(seeds):
    """Standard deviation of what few seeds estimate; None for one."""
    return float(np.std(seeds, ddof=1)) if len(seeds) > 1 else None


def _classes(arm):
    found = {}
    for name in arm.values["dice"][0]:
        found[name] = {}
        for metric in METRICS:
            values = np.array(list(arm.of_cases(metric, name).values()))
            counted = values[~np.isnan(values)]
            found[name][metric] = {
                "mean": float(counted.mean()) if counted.size else None,
                "std": float(counted.std()) if counted.size else None,
            }
    return found
