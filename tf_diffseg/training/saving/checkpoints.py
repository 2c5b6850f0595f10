"""Checkpoints of a run, one `.keras` file each, written whole or not at all.

Keras saves weights, the optimizer with its moving averages, and the loss history from
which time steps are drawn. We add the place in the run. Random draws and data order
are functions of the seed and the place, so nothing else affects the next step.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import zipfile
import zlib
from typing import NamedTuple

import keras
import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.training.saving.optimizer_state import (
    read_saved_optimizer,
    trained_variables,
    uses_averages,
)
from tf_diffseg.whole_files import whole_file

BEST = "best.keras"
DAMAGED = ".damaged"
_NAME = re.compile(r"epoch-(\d+)(?:-step-(\d+))?\.keras")
_STATE = "training_state.json"
_WEIGHTS = "model.weights.h5"


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, or is of another model."""


class Place(NamedTuple):
    """A place in a run.

    Attributes:
        epoch: number of epochs that are done.
        step: number of steps that are done of the next epoch.
    """

    epoch: int = 0
    step: int = 0

    def __str__(self):
        step = f" and {self.step} step(s)" if self.step else ""
        return f"epoch {self.epoch}{step}"


def save_checkpoint(
    model, checkpoint_dir, epoch, keep=2, step=0, metrics=None, score=None, best=False
):
    """Saves the model with its optimizer, and removes the oldest checkpoints.

    Args:
        model: a compiled Keras model.
        checkpoint_dir: folder, made if it is missing.
        epoch: number of epochs that the model has been trained for.
        keep: how many checkpoints stay, beside the best.
        step: number of steps that it has been trained for in the next epoch.
        metrics: result of `metric_state` if `step` is not 0; or None.
        score: score of this epoch's validation, or None; kept in the file.
        best: whether to save it as `best.keras`, too.

    Returns:
        Path of the file.

    Raises:
        CheckpointError: it cannot be written; earlier checkpoints are unchanged.
    """
    folder = pathlib.Path(checkpoint_dir)
    suffix = f"-step-{step:07d}" if step else ""
    path = folder / f"epoch-{epoch:05d}{suffix}.keras"
    state = {"epoch": epoch, "step": step, "metrics": metrics or {}, "score": score}
    try:
        _write(model, path, state, best)
    except InputError as error:
        raise CheckpointError(
            f"checkpoint of epoch {epoch}: {error}; what was saved before it stays"
        ) from error
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def _write(model, path, state, best):
    with whole_file(path) as temporary:
        # A run that was killed may have left temporary files.
        for left_over in path.parent.glob(".*-*.keras"):
            left_over.unlink(missing_ok=True)
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_STATE, json.dumps(state))
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        if best:
            # First: a run that is killed in between repeats the epoch.
            with whole_file(path.with_name(BEST)) as copy:
                _link_or_copy(temporary, copy)


def set_aside(path):
    """Renames a damaged checkpoint, so that it is no longer listed as one."""
    # Another worker may have done it.
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, f"{path}{DAMAGED}")


def list_checkpoints(checkpoint_dir):
    """Paths of the checkpoints in a folder, oldest first, without the best.

    The list is empty if there is no such folder.
    """
    folder = pathlib.Path(checkpoint_dir)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(found, key=checkpoint_place)


def newest_whole_checkpoint(checkpoint_dir):
    """Path of the newest checkpoint that can be read, and those newer that cannot.

    Args:
        checkpoint_dir: folder of the checkpoints.

    Returns:
        (path or None, list of paths of damaged files).
    """
    damaged = []
    for path in reversed(list_checkpoints(checkpoint_dir)):
        if is_whole_checkpoint(path):
            return path, damaged
        damaged.append(path)
    return None, damaged


def is_whole_checkpoint(path):
    """Whether a .keras file, a zip archive, has all its bytes as they were written."""
    try:
        with zipfile.ZipFile(path) as archive:
            is_model = _WEIGHTS in archive.namelist()
            return is_model and archive.testzip() is None
    # RuntimeError: a changed byte may name a compression that `zipfile` does not know.
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return False


def checkpoint_place(path):
    """`Place` in the run of a checkpoint, by its file name."""
    epoch, step = _NAME.fullmatch(pathlib.Path(path).name).groups()
    return Place(int(epoch), int(step or 0))


def read_training_state(path):
    """The state that `save_checkpoint` adds to a `.keras` file.

    Returns:
        Dict of `epoch`, `step`, `metrics` and `score`; empty for other files.
    """
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(_STATE)) if _STATE in archive.namelist() else {}


def load_checkpoint(path):
    """Loads a model for prediction, with its averaged weights if it has averages.

    Args:
        path: path of a checkpoint. Keras must know the class of its model; see
            `load_trained_model`.

    Returns:
        The model.

    Raises:
        CheckpointError: the averages cannot be used.
    """
    import tf_diffseg.training.optimizer  # noqa: F401 registers the optimizer

    model = keras.saving.load_model(path)
    saved = read_saved_optimizer(path)
    if saved and len(saved.values) != len(model.optimizer.variables):
        _check_averages(model.optimizer, path)
    use_averaged_weights(model)
    return model


def _check_averages(optimizer, path):
    """Raises CheckpointError if Keras skipped an optimizer's state with averages."""
    if uses_averages(optimizer):
        raise CheckpointError(
            f"the checkpoint {path} holds averages of fewer weights than its network "
            "has: some were frozen, and the version that saved it did not say which. "
            "keras.saving.load_model(path, compile=False) gives its weights without "
            "averages"
        )


def use_averaged_weights(model):
    """Replaces the weights by their moving averages, if the optimizer has `use_ema`."""
    # A model that was never compiled does not have the attribute.
    optimizer = getattr(model, "optimizer", None)
    # Before the first step there is no average yet.
    if optimizer is not None and int(np.asarray(optimizer.iterations)) > 0:
        # Not `model.trainable_variables`: layers may have been frozen since.
        optimizer.finalize_variable_values(trained_variables(optimizer))


def metric_state(model):
    """Dict from the names of the model's metrics to the values of their variables."""
    return {
        metric.name: [
            np.asarray(keras.ops.convert_to_numpy(variable)).tolist()
            for variable in metric.variables
        ]
        for metric in model.metrics
    }


def set_metric_state(model, state):
    """Gives metrics the values of `metric_state`; other metrics are unchanged."""
    for metric in model.metrics:
        values = state.get(metric.name)
        if values:
            for variable, value in zip(metric.variables, values, strict=True):
                variable.assign(np.asarray(value))


def _link_or_copy(source, path):
    try:
        os.link(source, path)
    except OSError:  # Not every file system has hard links.
        shutil.copyfile(source, path)
