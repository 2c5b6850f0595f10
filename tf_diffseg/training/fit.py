"""Training with checkpoints, logs and resuming."""

import contextlib
import math
import pathlib

from tf_diffseg.training.callbacks.early_stopping import EarlyStopping, gain_so_far
from tf_diffseg.training.callbacks.metrics_log import MetricsLog
from tf_diffseg.training.callbacks.progress import Progress
from tf_diffseg.training.callbacks.stop_on_nan import StopOnNaN
from tf_diffseg.training.callbacks.training_board import TrainingBoard
from tf_diffseg.training.distribution.multi_worker import (
    distribute,
    is_chief,
    named_worker_loss,
)
from tf_diffseg.training.saving.averaged_weights import AveragedWeights
from tf_diffseg.training.saving.checkpointing import Checkpointing, restore
from tf_diffseg.training.saving.checkpoints import Place, use_averaged_weights

METRICS = "metrics.jsonl"


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
    uids_of=None,
    early_stopping=0,
    callbacks=(),
):
    """Trains a compiled model up to a number of epochs, or resumes such a run.

    Writes to `model_dir`: `checkpoints/`, `logs/` for TensorBoard and
    `metrics.jsonl`.

    Args:
        model: a compiled `DiffusionUNet3D`.
        make_dataset: function (first_epoch, first_step, input_context) to an infinite
            dataset of batches that starts there, such as `data.training_dataset`; the
            context is None unless there are several workers.
        model_dir: folder of the run.
        epochs: total number of epochs of the run.
        steps_per_epoch: number of batches of an epoch.
        batch_size: examples in a batch, over all replicas.
        validation_dataset: batches to sample and score, or None; or a function from a
            `tf.distribute.InputContext`, or None on one device, to a worker's batches
            of one replica, which its replicas take in turn. All workers need the same
            number of batches; the last ones may be empty.
        validation_frequency: epochs from one validation to the next; the last epoch is
            validated, too. None is if there are not so many epochs.
        keep_checkpoints: how many checkpoints stay, beside the best.
        checkpoint_steps: steps of an epoch from one checkpoint to the next; 0 for
            checkpoints only at the ends of epochs.
        uids_of: as for `StopOnNaN`.
        early_stopping: number of validations in a row without a better Dice that ends
            the run; 0 for never.
        callbacks: further Keras callbacks.

    Returns:
        Number of epochs that this call trained, at least in part; 0 if the run was
        complete, or had been stopped early.

    Raises:
        ValueError: the model takes several steps at once, so that a place in the run
            could not be told.
        FloatingPointError: the loss of a step is not a finite number.
        TrainingStopped: SIGTERM came; the same call resumes the run.
        WorkerLost: another worker ended; the same call on all workers resumes from the
            last checkpoint.
    """
    if model.steps_per_execution != 1:
        raise ValueError(
            "steps_per_execution must be 1 in a run that may be resumed, got "
            f"{model.steps_per_execution}"
        )
    folder = pathlib.Path(model_dir)
    place = restore(model, folder / "checkpoints")
    if place.epoch >= epochs or has_stopped_early(folder, early_stopping, place):
        # Like the end of `keras.Model.fit`.
        use_averaged_weights(model)
        return 0
    strategy = model.distribute_strategy
    validation, validation_steps = _distributed_validation(strategy, validation_dataset)
    own_callbacks = training_callbacks(
        folder,
        batch_size,
        place,
        keep_checkpoints,
        checkpoint_steps,
        is_chief(strategy),
        uids_of,
        early_stopping,
    )
    with named_worker_loss(strategy), _restored_sigterm(own_callbacks):
        history = model.fit(
            distribute(strategy, lambda context: make_dataset(*place, context)),
            initial_epoch=place.epoch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            validation_steps=validation_steps,
            validation_freq=_validated_epochs(epochs, validation_frequency),
            shuffle=False,
            verbose=0,
            callbacks=[*own_callbacks, *callbacks],
        )
    return len(history.epoch)


def _validated_epochs(epochs, frequency):
    """Numbers of the epochs to validate, from 1 on; Keras wants a list."""
    if frequency > epochs:
        return []
    return [*range(frequency, epochs, frequency), epochs]


def _distributed_validation(strategy, validation_dataset):
    """The dataset of validation, and its number of steps or None for all."""
    if validation_dataset is None:
        return None, None
    if not callable(validation_dataset):
        # Every worker validates all cases, since they may not divide evenly.
        return distribute(strategy, lambda context: validation_dataset), None
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas == 1:
        return validation_dataset(None), None
    counts = []

    def make_dataset(context):
        dataset = validation_dataset(context)
        counts.append(int(dataset.cardinality()))
        return dataset

    distributed = strategy.distribute_datasets_from_function(make_dataset)
    # Keras does not count the steps of such a dataset.
    return distributed, math.ceil(counts[0] / len(strategy.extended.worker_devices))


@contextlib.contextmanager
def _restored_sigterm(callbacks):
    """Restores the handler of SIGTERM, even if an error ends Keras's `fit`."""
    try:
        yield
    finally:
        for callback in callbacks:
            if isinstance(callback, Checkpointing):
                callback.on_train_end()


def has_stopped_early(model_dir, early_stopping, place):
    """Whether a run at this `Place` was stopped early; other arguments as for `fit`."""
    if not early_stopping:
        return False
    gain = gain_so_far(pathlib.Path(model_dir) / METRICS, place.epoch)
    return gain.validations_since >= early_stopping


def training_callbacks(
    model_dir,
    batch_size,
    place=Place(),  # noqa: B008 immutable
    keep_checkpoints=2,
    checkpoint_steps=0,
    chief=True,
    uids_of=None,
    early_stopping=0,
):
    """The callbacks of `fit`, for a call of `keras.Model.fit` by hand.

    In full::

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
        place: result of `restore`.
        keep_checkpoints: as for `fit`.
        checkpoint_steps: as for `fit`.
        chief: whether this process writes; only one of several workers does.
        uids_of: as for `StopOnNaN`.
        early_stopping: as for `fit`; see also `has_stopped_early`.

    Returns:
        List of Keras callbacks, in the order they need.
    """
    folder = pathlib.Path(model_dir)
    logs_dir = folder / "logs"
    writers = []
    if chief:
        logs_dir.mkdir(parents=True, exist_ok=True)
        writers = [
            Progress(batch_size, first_step=place.step),
            TrainingBoard(logs_dir, batch_size, place.step),
            MetricsLog(folder / METRICS, place.epoch),
        ]
    stoppers = []
    if early_stopping:
        stoppers = [EarlyStopping(early_stopping, folder / METRICS, place.epoch)]
    return [
        AveragedWeights(),
        *writers,
        # Before the checkpoint, so that no bad one replaces a good one.
        StopOnNaN(folder / "checkpoints", uids_of),
        Checkpointing(
            folder / "checkpoints", keep_checkpoints, checkpoint_steps, place=place
        ),
        *stoppers,
    ]
