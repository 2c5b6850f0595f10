"""The seconds that a run was trained, over all calls that went on with it."""

import pathlib
import time

import keras

from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json

_FILE = "training_seconds.json"


class Clock(keras.callbacks.Callback):
    """Keeps the seconds up to the end of each epoch in the folder of the run."""

    def __init__(self, folder):
        super().__init__()
        self._folder = pathlib.Path(folder)
        self._before = self._began = 0.0

    def on_train_begin(self, logs=None):
        """Starts where the last call ended."""
        del logs
        self._before = training_seconds(self._folder) or 0.0
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the seconds so far."""
        del epoch, logs
        seconds = self._before + time.perf_counter() - self._began
        write_json(self._folder / _FILE, {"seconds": seconds})


def training_seconds(folder):
    """Seconds that `Clock` kept in the folder of a run, or None."""
    path = pathlib.Path(folder) / _FILE
    return read_json(path)["seconds"] if path.is_file() else None
