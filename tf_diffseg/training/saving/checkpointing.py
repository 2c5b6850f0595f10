"""The callback that saves checkpoints, and goes on where one was saved."""

import math
import warnings

import keras
import numpy as np

from tf_diffseg.training.callbacks.sigterm import SigtermFlag
from tf_diffseg.training.distribution.multi_worker import is_chief, is_multi_worker
from tf_diffseg.training.interruptions import TrainingStopped
from tf_diffseg.training.saving.checkpoints import (
    BEST,
    CheckpointError,
    Place,
    checkpoint_place,
    is_whole_checkpoint,
    metric_state,
    newest_whole_checkpoint,
    read_training_state,
    save_checkpoint,
    set_aside,
    set_metric_state,
)
from tf_diffseg.training.saving.optimizer_state import numeric_rate, uses_averages
from tf_diffseg.training.saving.restoring import load_checkpoint


def restore(model, checkpoint_dir, report=print):
    """Loads the newest checkpoint that is whole into a compiled model.

    Damaged ones get names that end in `.damaged`, or they would count as the newest.
    What `compile` asked for holds: a new learning rate, weight decay or momentum of
    averages is taken from there on. See `restoring.load_checkpoint`.

    Args:
        model: built and compiled, with an optimizer of the kind that was saved, for
            the same weights.
        checkpoint_dir: folder of the checkpoints.
        report: function that is told, in one line, of each damaged file, and of a
            learning rate that is not the checkpoint's.

    Returns:
        `Place` of the checkpoint, (0, 0) where there is none.

    Raises:
        CheckpointError: it is whole, but of another model or optimizer.
        ValueError: the model is not compiled.
    """
    if not model.compiled:
        raise ValueError("compile the model before it is restored")
    path, damaged = newest_whole_checkpoint(checkpoint_dir)
    for each in damaged:
        instead = f"going on from {path.name}" if path else "starting anew"
        report(f"the checkpoint {each} is damaged; {instead}")
        set_aside(each)
    if path is None:
        return Place()
    with model.distribute_strategy.scope():
        load_checkpoint(model, path, report)
    return checkpoint_place(path)


class Checkpointing(keras.callbacks.Callback):
    """Saves checkpoints: after every epoch, in between, at SIGTERM, and the best.

    To go on with `model.fit` by hand as `training.fit` does, call `restore` and hand
    `fit` a dataset that starts at the place, with `initial_epoch=place.epoch`. Steps
    of that epoch which are done are passed over: no batch is taken for them.

    SIGTERM, as a machine gets it that is about to be taken away, lets the step end,
    saves, and raises `TrainingStopped`; a second one ends the process at once.

    Of several workers the chief alone writes. One that gets SIGTERM ends alone, and
    takes the others with it; the chief saves where it is the chief that got it.

    Weights that are not finite are not saved: that raises a FloatingPointError. A
    checkpoint that cannot be written raises a `CheckpointError`, as does a folder whose
    newest checkpoint is not of the place that training starts at.

    Args:
        checkpoint_dir: folder of the checkpoints.
        keep: how many stay, beside the best.
        steps_between: steps of an epoch from one checkpoint to the next; 0 for
            checkpoints at the ends of epochs alone.
        monitor: score of the validation, the higher the better, by which `best.keras`
            is chosen.
        place: `Place` that this call of `fit` starts at.
    """

    def __init__(
        self,
        checkpoint_dir,
        keep=2,
        steps_between=0,
        monitor="val_dice",
        place=Place(),  # noqa: B008 immutable
    ):
        super().__init__()
        self.checkpoint_dir = checkpoint_dir
        self.keep = keep
        self.steps_between = steps_between
        self.monitor = monitor
        self.place = Place(*place)
        self._epoch = self.place.epoch
        self._steps_in_epoch = self.place.step
        self._best = -math.inf
        self._metrics_of_epoch = None
        self._saved = None  # (learning rate, epoch, arguments) of the last checkpoint.
        self._sigterm = SigtermFlag()

    def on_train_begin(self, logs=None):
        """Looks for SIGTERM from now on, and passes over the steps that are done."""
        del logs
        path, _ = newest_whole_checkpoint(self.checkpoint_dir)
        self._check_place(path)
        self._sigterm.listen()
        self._best = _best_score(path)
        if self.place.step:
            self.model.train_function = _after_steps(
                self.model, self.model.train_function, self.place.step
            )

    def on_epoch_begin(self, epoch, logs=None):
        """Gives the metrics of an epoch that goes on what they held."""
        del logs
        self._save_another_rate()
        self._epoch = epoch
        self._steps_in_epoch = 0
        if self.place.step and epoch == self.place.epoch:
            self._steps_in_epoch = self.place.step
            path, _ = newest_whole_checkpoint(self.checkpoint_dir)
            if path and checkpoint_place(path) == self.place:
                set_metric_state(self.model, read_training_state(path)["metrics"])

    def on_train_batch_end(self, batch, logs=None):
        """Saves where it is time to, or where SIGTERM came."""
        if batch < self._steps_in_epoch:
            return  # Was done before; nothing is new.
        self._steps_in_epoch = batch + 1
        is_due = self.steps_between and (batch + 1) % self.steps_between == 0
        if is_due:
            self._save_within_epoch(metric_state(self.model))
        elif self._sigterm.is_set:
            # Workers read metrics together, and the others know nothing of it.
            is_alone = not is_multi_worker(self.model.distribute_strategy)
            self._save_within_epoch(metric_state(self.model) if is_alone else None)
        self._stop_if_asked(self._steps_in_epoch)

    def on_test_begin(self, logs=None):
        """Keeps the epoch's metrics, which a validation starts by resetting."""
        del logs
        self._metrics_of_epoch = metric_state(self.model)

    def on_test_batch_end(self, batch, logs=None):
        """Cuts a validation short where SIGTERM came."""
        del batch, logs
        if self._sigterm.is_set:
            self.model.stop_evaluating = True

    def on_test_end(self, logs=None):
        """Saves the trained epoch where its validation was cut short."""
        del logs
        if self._sigterm.is_set and self._steps_in_epoch:
            self._save_within_epoch(self._metrics_of_epoch)
            self._stop_if_asked(self._steps_in_epoch)

    def on_epoch_end(self, epoch, logs=None):
        """Saves the model as trained for `epoch + 1` epochs."""
        score = (logs or {}).get(self.monitor)
        is_best = score is not None and score > self._best
        if is_best:
            self._best = float(score)
        self._save(
            epoch + 1, score=None if score is None else float(score), best=is_best
        )
        self._epoch, self._steps_in_epoch = epoch + 1, 0
        self._stop_if_asked(0)

    def on_train_end(self, logs=None):
        """Leaves SIGTERM to whom it belonged."""
        del logs
        self._sigterm.leave()
        if self._has_another_rate and uses_averages(self.model.optimizer):
            # The averages are the weights by now, and would be taken for them.
            warnings.warn(
                "a callback has changed the learning rate after the last checkpoint, "
                "which has the one before: put that callback before Checkpointing",
                stacklevel=2,
            )
        else:
            self._save_another_rate()

    @property
    def _has_another_rate(self):
        return self._saved and numeric_rate(self.model.optimizer) != self._saved[0]

    def _save_another_rate(self):
        """Saves again where a callback has changed the learning rate since.

        Callbacks that follow this one are told of the end of an epoch after it.
        """
        if self._has_another_rate:
            _, epoch, kwargs = self._saved
            self._save(epoch, **{**kwargs, "best": False})

    def _check_place(self, path):
        """What is saved behind the newest checkpoint would be the first to be lost."""
        if path and checkpoint_place(path) != self.place:
            raise CheckpointError(
                f"{self.checkpoint_dir} holds a run that came to "
                f"{checkpoint_place(path)}, and training would start after "
                f"{self.place}: `restore` it and hand on its place, or name another "
                "folder"
            )

    def _save_within_epoch(self, metrics):
        self._save(self._epoch, step=self._steps_in_epoch, metrics=metrics)

    def _save(self, epoch, **kwargs):
        if is_chief(self.model.distribute_strategy):
            self._check_weights()
            save_checkpoint(self.model, self.checkpoint_dir, epoch, self.keep, **kwargs)
            self._saved = numeric_rate(self.model.optimizer), epoch, kwargs

    def _check_weights(self):
        """The loss of a step was computed before the weights took that step."""
        if all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            return
        path, _ = newest_whole_checkpoint(self.checkpoint_dir)
        raise FloatingPointError(
            f"after {Place(self._epoch, self._steps_in_epoch)} the weights are not "
            f"finite, and not saved. The last good checkpoint is {path}; a smaller "
            "learning rate may help"
        )

    def _stop_if_asked(self, step):
        if self._sigterm.is_set:
            self._sigterm.leave()
            raise TrainingStopped(Place(self._epoch, step))


def _best_score(path):
    """The best score of a run whose newest checkpoint has this path, or None."""
    best = None if path is None else path.parent / BEST
    if best is None or not is_whole_checkpoint(best):
        return -math.inf
    score = read_training_state(best).get("score")
    return -math.inf if score is None else score


def _after_steps(model, train_function, num_steps):
    """A train function that does nothing as often as steps are done already."""
    remaining = num_steps

    def resumed(iterator):
        nonlocal remaining
        if remaining:
            remaining -= 1
            # Keras takes these for the epoch's where no step is left to do.
            return model.get_metrics_result()
        return train_function(iterator)

    return resumed
