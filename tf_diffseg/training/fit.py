"""Training with checkpoints, logs and resuming."""

import pathlib

import keras

from tf_diffseg.training.averaged_weights import AveragedWeights
from tf_diffseg.training.checkpointing import Checkpointing, restore
from tf_diffseg.training.checkpoints import Place
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
    keep_checkpoints=2,
    checkpoint_steps=0,
    callbacks=(),
):
    """Trains a compiled model up to a number of epochs, resuming where it stopped.

    Writes to `model_dir`: `checkpoints/`, `logs/` for TensorBoard and
    `metrics.jsonl`.

    Args:
        model: a compiled `DiffusionUNet3D`.
        make_dataset: function (first_epoch, first_step) to an infinite dataset of
            batches that starts there, as `data.training_dataset` makes it.
        model_dir: folder of the run.
        epochs: how many epochs the run has in all.
        steps_per_epoch: batches of an epoch.
        batch_size: examples in a batch, over all replicas.
        validation_dataset: batches to sample and score, or None.
        validation_frequency: epochs from one validation to the next.
        keep_checkpoints: how many checkpoints stay, beside the best.
        checkpoint_steps: steps of an epoch from one checkpoint to the next; 0 for
            checkpoints at the ends of epochs alone.
        callbacks: further Keras callbacks.

    Returns:
        Number of epochs begun or gone on with by this call; 0 where the run was
        complete.

    Raises:
        FloatingPointError: the loss of an epoch is not a finite number.
        TrainingStopped: SIGTERM came; the same call goes on from there.
    """
    folder = pathlib.Path(model_dir)
    place = restore(model, folder / "checkpoints")
    if place.epoch >= epochs:
        return 0
    model.fit(
        make_dataset(*place),
        initial_epoch=place.epoch,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_dataset,
        validation_freq=validation_frequency,
        shuffle=False,
        verbose=0,
        callbacks=[
            *training_callbacks(
                folder, batch_size, place, keep_checkpoints, checkpoint_steps
            ),
            *callbacks,
        ],
    )
    return epochs - place.epoch


def training_callbacks(
    model_dir,
    batch_size,
    place=Place(),  # noqa: B008 immutable
    keep_checkpoints=2,
    checkpoint_steps=0,
):
    """What `fit` hands to `keras.Model.fit`, for those who call that by hand.

        place = restore(model, "RUN/checkpoints")
        model.fit(
            dataset_from(*place),
            initial_epoch=place.epoch,
            steps_per_epoch=steps_per_epoch,
            callbacks=training_callbacks("RUN", batch_size=2, place=place),
            shuffle=False,
            verbose=0,
            ...
        )

    Args:
        model_dir: folder of the run.
        batch_size: examples in a batch, over all replicas.
        place: `Place` that `restore` gave.
        keep_checkpoints: as for `fit`.
        checkpoint_steps: as for `fit`.

    Returns:
        List of Keras callbacks, in the order they need.
    """
    folder = pathlib.Path(model_dir)
    logs_dir = folder / "logs"
    logs_dir.mkdir(parents=True, exist_ok=True)
    return [
        AveragedWeights(),
        Progress(batch_size, first_step=place.step),
        keras.callbacks.TensorBoard(logs_dir, write_graph=False),
        MetricsLog(folder / "metrics.jsonl", place.epoch),
        # Before the checkpoint, which would replace a good one.
        StopOnNaN(),
        Checkpointing(
            folder / "checkpoints", keep_checkpoints, checkpoint_steps, place=place
        ),
    ]
