"""An end to a run that does not get better."""

import math
import pathlib
from typing import NamedTuple

import keras

from tf_diffseg.training.callbacks.metrics_log import read_metrics


class Gain(NamedTuple):
    """How a run's validations went.

    Attributes:
        best: highest score.
        best_epoch: number of epochs that the model with it was trained for.
        epoch: the same of the last validation.
        validations_since: validations after the best one, none of them better.
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
    """How the validations of a run went, by its metrics log.

    Args:
        metrics_path: file of `MetricsLog`; it may be missing.
        num_epochs: epochs that count; later ones are done again.
        monitor: name of the score, the higher the better.

    Returns:
        `Gain`.
    """
    gain = Gain()
    if pathlib.Path(metrics_path).is_file():
        for line in read_metrics(metrics_path):
            if monitor in line and line["epoch"] <= num_epochs:
                gain = gain.after(line["epoch"], line[monitor])
    return gain


class EarlyStopping(keras.callbacks.Callback):
    """Ends `fit` once so many validations in a row were no better than one before.

    Unlike `keras.callbacks.EarlyStopping` it counts validations, not epochs, of which
    some have none, and it counts on where a run goes on: what it knows is in the
    metrics log. The best model is in `best.keras`, see `Checkpointing`.

    Args:
        patience: validations without a gain, at least 1.
        metrics_path: file of `MetricsLog`.
        num_epochs: epochs of the run that are done when `fit` starts.
        monitor: score of the validation, the higher the better.
        report: function that is told, in one line, why the run ends.

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
        """Reads how the run went before."""
        del logs
        self._gain = gain_so_far(self.metrics_path, self.num_epochs, self.monitor)

    def on_epoch_end(self, epoch, logs=None):
        """Counts a validation, and ends the run where it is time to."""
        score = (logs or {}).get(self.monitor)
        if score is None:
            return
        self._gain = self._gain.after(epoch + 1, float(score))
        if self._gain.validations_since >= self.patience:
            self.model.stop_training = True
            self.report(f"stopped early, {self._gain}")
