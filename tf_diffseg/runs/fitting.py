"""Fits a model to the shards of a run."""

import functools
import math

from tf_diffseg.data.epoch_order import steps_per_epoch as count_steps
from tf_diffseg.data.shard_errors import named_shard_errors
from tf_diffseg.data.training_pipeline import training_dataset
from tf_diffseg.data.validation_pipeline import validation_dataset
from tf_diffseg.errors import InputError
from tf_diffseg.runs.device_share import examples_of_device
from tf_diffseg.training.batches.batch_uids import batch_uids
from tf_diffseg.training.fit import fit
from tf_diffseg.training.saving.checkpoints import CheckpointError


def steps_per_epoch(config, manifest):
    """Steps of an epoch of a `TrainConfig` on the data of a `Manifest`."""
    return count_steps(
        _num_cases(manifest),
        config.batch_size,
        config.patches_per_volume,
        config.remainder,
    )


def fit_to_folder(plan, model, num_steps, data_service=None, callbacks=()):
    """Calls `training.fit` with the values of a config.

    Args:
        plan: `RunPlan`.
        model: model from `build_model`.
        num_steps: steps of an epoch.
        data_service: as in `training.train`.
        callbacks: further Keras callbacks.

    Raises:
        InputError: a shard is damaged, a loss is not finite, or a checkpoint cannot
            be written or belongs to another model.
        TrainingStopped: as in `training.fit`.
        WorkerLost: as in `training.fit`.
    """
    config, model_dir = plan.config, plan.run_folder.path
    try:
        with named_shard_errors():
            fit(
                model,
                dataset_maker(plan, data_service),
                model_dir,
                config.epochs,
                num_steps,
                config.batch_size,
                _validation(plan, model),
                config.validation_frequency,
                config.keep_checkpoints,
                config.checkpoint_steps,
                _uids_of(plan),
                config.early_stopping,
                callbacks,
            )
    except (CheckpointError, FloatingPointError) as error:
        raise InputError(
            f"model_dir={model_dir}: {error}", argument="model_dir"
        ) from error


def dataset_maker(plan, data_service=None):
    """Function from a place in the run to the dataset of all later batches."""
    config = plan.config

    def make_dataset(first_epoch, first_step, input_context):
        return training_dataset(
            plan.shard_paths["train"],
            _num_cases(plan.manifest),
            config.patch_shape,
            config.batch_size,
            config.seed,
            first_epoch,
            first_step,
            input_context=input_context,
            data_service=data_service,
            ignored_id=plan.manifest.ignored_id,
            **config.pipeline_arguments(),
        )

    return make_dataset


def _validation(plan, model):
    """Function that makes the validation batches of a replica, or None.

    A batch has as many voxels as a replica trains on at once: if these fit into memory
    with a gradient, they fit without one.
    """
    paths = plan.shard_paths.get("validation")
    if paths is None:
        return None
    config = plan.config
    num_replicas = model.distribute_strategy.num_replicas_in_sync
    examples = examples_of_device(config, num_replicas)
    examples = -(-examples // config.accumulation_steps)
    batch_voxels = examples * math.prod(config.patch_shape)
    return functools.partial(
        validation_dataset,
        paths,
        config.patch_shape,
        batch_voxels,
        ignored_id=plan.manifest.ignored_id,
    )


def _uids_of(plan):
    """Function from a place in the run to the uids of its batch."""
    config = plan.config
    return functools.partial(
        batch_uids,
        plan.shard_paths["train"],
        _num_cases(plan.manifest),
        config.batch_size,
        config.seed,
        patches_per_volume=config.patches_per_volume,
        remainder=config.remainder,
    )


def _num_cases(manifest):
    return len(manifest.split("train").uids)
