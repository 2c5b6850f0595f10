"""Ends a run that does not get better."""

import math
import pathlib
from typing import NamedTuple

import keras

from tf_diffseg.training.callbacks.metrics_log import read_metrics


class Gain(NamedTuple):
    """Best score of a run's validations, and how long ago it was.

    Attributes:
        best: highest score.
        best_epoch: epoch of the highest score, counted from 1.
        epoch: epoch of the last validation.
        validations_since: number of validations after the best one.
    """

    best: float = -math.inf
    best_epoch: int = 0
    epoch: int = 0
    validations_since: int = 0

    def after(self, epoch, score):
        """The `Gain` with one more validation."""
        if score > self.best:
            return Gain(score, epoch, epoch, 0)
        return self._replace(epoch=epoch, validations_since=self.validations_since + 1)

    def __str__(self):
        return (
            f"{self.validations_since} validation(s) without a gain after epoch "
            f"{self.epoch}: the best score is {self.best:.4f}, of epoch "
            f"{self.best_epoch}"
        )


def gain_so_far(metrics_path, num_epochs=math.inf, monitor="val_dice"):
    """The `Gain` of a run, from its metrics log.

    Args:
        metrics_path: file of `MetricsLog`; it may be missing.
        num_epochs: epochs that count; later ones are done again.
        monitor: name of the score, the higher the better.
    """
    gain = Gain()
    if pathlib.Path(metrics_path).is_file():
        for line in read_metrics(metrics_path):
            if monitor in line and line["epoch"] <= num_epochs:
                gain = gain.after(line["epoch"], line[monitor])
    return gain


class EarlyStopping(keras.callbacks.Callback):
    """Ends `fit` after a number of validations in a row without a new best score.

    Unlike `keras.callbacks.EarlyStopping` it counts validations rather than epochs, and
    keeps the count when a run is resumed, since it reads the metrics log. The best
    model is in `best.keras`, see `Checkpointing`.

    Args:
        patience: validations without a gain, at least 1.
        metrics_path: file of `MetricsLog`.
        num_epochs: epochs of the run that are done when `fit` starts.
        monitor: score of the validation, the higher the better.
        report: function that is called with a line of text when the run ends.

    Raises:
        ValueError: patience is below 1.
    """

    def __init__(
        self, patience, metrics_path, num_epochs=0, monitor="val_dice", report=print
    ):
        super().__init__()
        if patience < 1:
            raise ValueError(f"patience must be at least 1, got {patience}")
        self.patience = patience
        self.metrics_path = pathlib.Path(metrics_path)
        self.num_epochs = num_epochs
        self.monitor = monitor
        self.report = report
        self._gain = Gain()

    def on_train_begin(self, logs=None):
        """Reads the gain so far."""
        del logs
        self._gain = gain_so_far(self.metrics_path, self.num_epochs, self.monitor)

    def on_epoch_end(self, epoch, logs=None):
        """Counts a validation, and ends the run if there were enough."""
        score = (logs or {}).get(self.monitor, math.nan)
        if math.isnan(score):  # The metrics log leaves it out as well.
            return
        self._gain = self._gain.after(epoch + 1, float(score))
        if self._gain.validations_since >= self.patience:
            self.model.stop_training = True
            self.report(f"stopped early, {self._gain}")
