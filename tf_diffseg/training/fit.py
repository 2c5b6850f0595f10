"""Training with checkpoints, logs and resuming."""

import pathlib

import keras

from tf_diffseg.training.checkpoints import (
    Checkpointing,
    checkpoint_epoch,
    list_checkpoints,
)
from tf_diffseg.training.metrics_log import MetricsLog
from tf_diffseg.training.progress import Progress
from tf_diffseg.training.stop_on_nan import StopOnNaN


def fit(
    model,
    make_dataset,
    model_dir,
    epochs,
    steps_per_epoch,
    batch_size,
    validation_dataset=None,
    validation_frequency=1,
):
    """Trains a compiled model up to a number of epochs, resuming where it stopped.

    Writes to `model_dir`: `checkpoints/`, `logs/` for TensorBoard and
    `metrics.jsonl`.

    Args:
        model: a compiled `DiffusionUNet3D`.
        make_dataset: function from the first epoch to an infinite dataset of
            batches that starts there, as `data.training_dataset` makes it.
        model_dir: folder of the run.
        epochs: how many epochs the run has in all.
        steps_per_epoch: batches of an epoch.
        batch_size: examples in a batch, over all replicas.
        validation_dataset: batches to sample and score, or None.
        validation_frequency: epochs from one validation to the next.

    Returns:
        Number of epochs trained by this call; 0 where the run was complete.

    Raises:
        FloatingPointError: the loss of an epoch is not a finite number.
    """
    folder = pathlib.Path(model_dir)
    checkpoints = list_checkpoints(folder / "checkpoints")
    first_epoch = 0
    if checkpoints:
        first_epoch = checkpoint_epoch(checkpoints[-1])
        with model.distribute_strategy.scope():
            # Without its variables the optimizer would not be read.
            model.optimizer.build(model.trainable_variables)
            model.load_weights(checkpoints[-1])
    if first_epoch >= epochs:
        return 0
    logs_dir = folder / "logs"
    logs_dir.mkdir(parents=True, exist_ok=True)
    model.fit(
        make_dataset(first_epoch),
        initial_epoch=first_epoch,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_dataset,
        validation_freq=validation_frequency,
        shuffle=False,
        verbose=0,
        callbacks=[
            Progress(batch_size),
            keras.callbacks.TensorBoard(logs_dir, write_graph=False),
            MetricsLog(folder / "metrics.jsonl"),
            # Before the checkpoint, which would replace a good one.
            StopOnNaN(),
            Checkpointing(folder / "checkpoints"),
        ],
    )
    return epochs - first_epoch
