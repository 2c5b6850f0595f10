"""Checkpoints of a run, one `.keras` file each, written whole or not at all.

Beside what Keras saves (weights, the optimizer with its moving averages, the losses
that time steps are drawn by) a file holds the place in the run. With the seed, of
which draws and data order are functions, that is all that shapes the next step.
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
        step: steps done of the epoch after them.
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
        checkpoint_dir: folder, made where it is missing.
        epoch: number of epochs that the model has been trained for.
        keep: how many checkpoints stay, beside the best.
        step: steps of the epoch after them that it has been trained for.
        metrics: what `metric_state` gave, where `step` is not 0; or None.
        score: of this validation, where there was one; kept in the file.
        best: whether this is to be `best.keras` as well.

    Returns:
        Path of the file.

    Raises:
        CheckpointError: it cannot be written; those before it are as they were.
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
        # What a run that was killed has left.
        for left_over in path.parent.glob(".*-*.keras"):
            left_over.unlink(missing_ok=True)
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_STATE, json.dumps(state))
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        if best:
            # First: a run that is killed in between does the epoch again, to the same.
            with whole_file(path.with_name(BEST)) as copy:
                _link_or_copy(temporary, copy)


def set_aside(path):
    """Gives a damaged checkpoint a name by which it counts as none any more."""
    # Of several workers one does it.
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, f"{path}{DAMAGED}")


def list_checkpoints(checkpoint_dir):
    """Paths of the checkpoints in a folder, oldest first; none without a folder.

    The best, which is one of them or an older one, is not listed.
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
    """Whether a .keras file, a zip archive, has all its bytes as they were written.

    `zipfile` raises a RuntimeError for what a changed byte makes of how it is packed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            is_model = _WEIGHTS in archive.namelist()
            return is_model and archive.testzip() is None
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return False


def checkpoint_place(path):
    """`Place` in the run that a checkpoint was written at, by its name."""
    epoch, step = _NAME.fullmatch(pathlib.Path(path).name).groups()
    return Place(int(epoch), int(step or 0))


def checkpoint_epoch(path):
    """Number of epochs that the model in a checkpoint has been trained for."""
    return checkpoint_place(path).epoch


def read_training_state(path):
    """What a checkpoint holds beside the model.

    Args:
        path: of a `.keras` file.

    Returns:
        Dict of `epoch`, `step`, `metrics` and `score`; empty for a model that was
        not saved by `save_checkpoint`.
    """
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(_STATE)) if _STATE in archive.namelist() else {}


def load_trained_model(path):
    """Loads a model to predict with: its averaged weights, where it keeps averages.

    Args:
        path: of a checkpoint.

    Returns:
        `DiffusionUNet3D`.

    Raises:
        CheckpointError: the averages cannot be taken.
    """
    import tf_diffseg.training.diffusion_unet_3d  # noqa: F401 registers the class
    import tf_diffseg.training.optimizer  # noqa: F401 registers the optimizer

    model = keras.saving.load_model(path)
    saved = read_saved_optimizer(path)
    if saved and len(saved.values) != len(model.optimizer.variables):
        _check_averages(model.optimizer, path)
    use_averaged_weights(model)
    return model


def _check_averages(optimizer, path):
    """Keras left an optimizer's state aside; that is an error where it has averages."""
    if getattr(optimizer, "inner_optimizer", optimizer).use_ema:
        raise CheckpointError(
            f"the checkpoint {path} holds averages of fewer weights than its network "
            "has: some were frozen, and the version that saved it did not say which. "
            "keras.saving.load_model(path, compile=False) gives its weights without "
            "averages"
        )


def use_averaged_weights(model):
    """Replaces the weights by their moving averages; does nothing without any.

    Args:
        model: a Keras model; its optimizer, if it has one, may have `use_ema`.
    """
    # A model that was never compiled lacks even the attribute.
    optimizer = getattr(model, "optimizer", None)
    # Before the first step there is no average yet.
    if optimizer is not None and int(np.asarray(optimizer.iterations)) > 0:
        # Not the model's: layers may have been frozen since.
        optimizer.finalize_variable_values(trained_variables(optimizer))


def metric_state(model):
    """Values of the model's metrics so far, as lists: a dict by metric and variable."""
    return {
        metric.name: [
            np.asarray(keras.ops.convert_to_numpy(variable)).tolist()
            for variable in metric.variables
        ]
        for metric in model.metrics
    }


def set_metric_state(model, state):
    """Gives metrics the values that `metric_state` read; others stay."""
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
