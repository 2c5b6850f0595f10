"""The scores of a training strategy on the cases of a split."""

import dataclasses

import numpy as np

from tf_diffseg.evaluation.means import foreground_mean, nan_mean
from tf_diffseg.evaluation.metric_columns import TOLERANCES_MM, metric_values

METRICS = ("dice", "hd95_mm", f"surface_dice_{TOLERANCES_MM[0]:g}mm")


@dataclasses.dataclass(frozen=True)
class StrategyScores:
    """The scores of one strategy.

    Attributes:
        strategy: its name.
        training_minutes: wall time of this call's training, 0 if it was done before.
        classes: names of the foreground classes.
        values: dict from the keys `METRICS` to an array [cases, foreground classes],
            NaN if a class is neither true nor predicted.
        dice_per_step: [steps], mean over the cases of `foreground_mean` after each
            reverse step.
    """

    strategy: str
    training_minutes: float
    classes: list[str]
    values: dict[str, np.ndarray]
    dice_per_step: np.ndarray

    def mean_and_std(self, metric):
        """Mean and standard deviation over cases, each [foreground classes]."""
        values = self.values[metric]
        return nan_mean(values, axis=0), np.nanstd(values, axis=0)


def strategy_scores(strategy, training_minutes, classes, cases):
    """Makes `StrategyScores` from a list of `CaseScores`."""
    metrics = [metric_values(case) for case in cases]
    dice_per_step = np.stack([case.dice_per_step for case in cases])
    return StrategyScores(
        strategy,
        training_minutes,
        classes,
        {name: np.stack([case[name][1:] for case in metrics]) for name in METRICS},
        nan_mean(foreground_mean(dice_per_step[..., 1:]), axis=0),
    )
