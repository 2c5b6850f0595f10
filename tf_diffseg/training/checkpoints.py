"""Checkpoints of a run, one `.keras` file each, written whole or not at all."""

import os
import pathlib
import re

import keras

_NAME = re.compile(r"epoch-(\d+)\.keras")


def save_checkpoint(model, checkpoint_dir, epoch, keep=2):
    """Saves the model with its optimizer, and removes the oldest checkpoints.

    Args:
        model: a compiled Keras model.
        checkpoint_dir: folder, made where it is missing.
        epoch: number of epochs that the model has been trained for.
        keep: how many checkpoints stay.

    Returns:
        Path of the file.
    """
    folder = pathlib.Path(checkpoint_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch-{epoch:05d}.keras"
    partial = folder / f".partial-{path.name}"
    model.save(partial)
    os.replace(partial, path)
    for old in list_checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def list_checkpoints(checkpoint_dir):
    """Paths of the checkpoints in a folder, oldest first; none without a folder."""
    folder = pathlib.Path(checkpoint_dir)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(found, key=checkpoint_epoch)


def checkpoint_epoch(path):
    """Number of epochs that the model in a checkpoint has been trained for."""
    return int(_NAME.fullmatch(pathlib.Path(path).name).group(1))


class Checkpointing(keras.callbacks.Callback):
    """Saves a checkpoint at the end of every epoch.

    Args:
        checkpoint_dir: folder of the checkpoints.
        keep: how many stay.
    """

    def __init__(self, checkpoint_dir, keep=2):
        super().__init__()
        self.checkpoint_dir = checkpoint_dir
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        """Saves the model as trained for `epoch + 1` epochs."""
        del logs
        save_checkpoint(self.model, self.checkpoint_dir, epoch + 1, self.keep)
