"""The scores of every epoch, as lines of JSON."""

import json

import keras


class MetricsLog(keras.callbacks.Callback):
    """Appends one JSON object an epoch: its number, losses and scores.

    Unlike a table this takes epochs without a validation as they are.

    Args:
        path: the file, by custom `metrics.jsonl`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        """Appends the line of this epoch."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch + 1, **values}) + "\n")
