"""Losses and scores of every epoch, as lines of JSON."""

import json
import math
import pathlib

import keras

from tf_diffseg.whole_files import write_text


class MetricsLog(keras.callbacks.Callback):
    """Writes one JSON object for each epoch: its number, losses and scores.

    An epoch has only one line, even if a resumed run repeats it. Values that are not
    finite are left out, since JSON cannot express them.

    Args:
        path: the file, usually `metrics.jsonl`.
        num_epochs: number of epochs whose lines stay if the file exists.
    """

    def __init__(self, path, num_epochs=0):
        super().__init__()
        self.path = pathlib.Path(path)
        self.num_epochs = num_epochs

    def on_train_begin(self, logs=None):
        """Removes the lines of epochs that are done again, and incomplete lines."""
        del logs
        if self.path.is_file():
            kept = [
                line
                for line in read_metrics(self.path)
                if line["epoch"] <= self.num_epochs
            ]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def on_epoch_end(self, epoch, logs=None):
        """Appends the line of this epoch."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        values = {name: v for name, v in values.items() if math.isfinite(v)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch + 1, **values}) + "\n")


def read_metrics(path):
    """The complete lines of a metrics log: a list of dicts, one for each epoch."""
    lines = []
    for text in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # Killed while it was written.
            continue
        if isinstance(line, dict) and "epoch" in line:
            lines.append(line)
    return lines
