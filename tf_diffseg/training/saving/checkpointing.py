"""Saves checkpoints during training, and restores them."""

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
    """Loads the newest checkpoint that is not damaged into a compiled model.

    Damaged ones are renamed to `.damaged`, so that they do not count as the newest.
    The options of `compile` stay: a new learning rate, weight decay or momentum of
    averages is used from now on. See `restoring.load_checkpoint`.

    Args:
        model: built and compiled, with an optimizer of the kind that was saved, for
            the same weights.
        checkpoint_dir: folder of the checkpoints.
        report: function that is called with a line of text for each damaged file, and
            for a learning rate that is not the checkpoint's.

    Returns:
        `Place` of the checkpoint, (0, 0) if there is none.

    Raises:
        CheckpointError: it is not damaged, but of another model or optimizer.
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

    To resume `model.fit` by hand as `training.fit` does, call `restore`, and call `fit`
    with `initial_epoch=place.epoch` and a dataset that starts at the place. The steps
    of that epoch that are done are skipped, and take no batch.

    At SIGTERM, which a machine gets before it is taken away, the step ends, the model
    is saved and `TrainingStopped` is raised; a second SIGTERM ends the process at once.

    If there are several workers, only the chief writes. A worker that gets SIGTERM
    ends, and so do the others; the model is saved only if the chief got it.

    Weights that are not finite raise a FloatingPointError and are not saved. A
    checkpoint that cannot be written raises a `CheckpointError`, and so does a folder
    whose newest checkpoint is of another place than the start of training.

    Args:
        checkpoint_dir: folder of the checkpoints.
        keep: how many stay, beside the best.
        steps_between: steps of an epoch from one checkpoint to the next; 0 for
            checkpoints only at the ends of epochs.
        monitor: score of the validation that selects `best.keras`, the higher the
            better.
        place: `Place` at which this call of `fit` starts.
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
        """Starts to catch SIGTERM, and prepares to skip the steps that are done."""
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
        """Restores the metrics of an epoch that goes on."""
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
        """Saves if it is time to, or if SIGTERM came."""
        if batch < self._steps_in_epoch:
            return  # This step was skipped.
        self._steps_in_epoch = batch + 1
        is_due = self.steps_between and (batch + 1) % self.steps_between == 0
        if is_due:
            self._save_within_epoch(metric_state(self.model))
        elif self._sigterm.is_set:
            # Workers read metrics together, and the others do not know of SIGTERM.
            is_alone = not is_multi_worker(self.model.distribute_strategy)
            self._save_within_epoch(metric_state(self.model) if is_alone else None)
        self._stop_if_asked(self._steps_in_epoch)

    def on_test_begin(self, logs=None):
        """Keeps the epoch's metrics, since the validation resets them."""
        del logs
        self._metrics_of_epoch = metric_state(self.model)

    def on_test_batch_end(self, batch, logs=None):
        """Ends the validation early if SIGTERM came."""
        del batch, logs
        if self._sigterm.is_set:
            self.model.stop_evaluating = True

    def on_test_end(self, logs=None):
        """Saves the trained epoch if its validation was ended early."""
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
        """Restores the former handler of SIGTERM."""
        del logs
        self._sigterm.leave()
        if self._has_another_rate and uses_averages(self.model.optimizer):
            # Now the averages are in place of the weights, and would be saved as such.
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
        """Saves again if a later callback has changed the learning rate since."""
        if self._has_another_rate:
            _, epoch, kwargs = self._saved
            self._save(epoch, **{**kwargs, "best": False})

    def _check_place(self, path):
        # A checkpoint before the newest one would be removed first.
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
        # `StopOnNaN` sees only the loss before a step, not the weights after it.
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
    """The best score of a run, given the path of its newest checkpoint or None."""
    best = None if path is None else path.parent / BEST
    if best is None or not is_whole_checkpoint(best):
        return -math.inf
    score = read_training_state(best).get("score")
    return -math.inf if score is None else score


def _after_steps(model, train_function, num_steps):
    """A train function that does nothing in the first `num_steps` calls."""
    remaining = num_steps

    def resumed(iterator):
        nonlocal remaining
        if remaining:
            remaining -= 1
            # Keras reports these if the epoch has no step left.
            return model.get_metrics_result()
        return train_function(iterator)

    return resumed
