"""One training run: model, data and optimizer out of a config."""

import math

import keras
import tensorflow as tf

from tf_diffseg.data.epoch_order import steps_per_epoch as count_steps
from tf_diffseg.data.input_pipeline import training_dataset, validation_dataset
from tf_diffseg.data.shard_errors import named_shard_errors
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.runs.initial_weights import remember, set_initial_weights
from tf_diffseg.runs.trackers import tracking
from tf_diffseg.runs.validation_pictures import validation_pictures
from tf_diffseg.training.batch_uids import batch_uids
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.distribution.devices import training_strategy
from tf_diffseg.training.distribution.multi_worker import (
    WorkerLost,
    is_chief,
    is_multi_worker,
)
from tf_diffseg.training.fit import fit, has_stopped_early
from tf_diffseg.training.optimizer import KernelDecayAdamW, learning_rate_schedule
from tf_diffseg.training.saving.checkpointing import TrainingStopped
from tf_diffseg.training.saving.checkpoints import CheckpointError

# EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on.
STOPPED = 75
# EX_PROTOCOL: another worker is gone; all of them started again go on.
WORKER_LOST = 76


def train(
    config,
    manifest,
    shard_paths,
    run_folder,
    data_service=None,
    num_devices=None,
    tracker=None,
):
    """Trains up to `config.epochs`, resuming where the run stopped.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        shard_paths: dict from "train" and, if there is one, "validation" to the
            paths of their shards.
        run_folder: `RunFolder` to write to.
        data_service: address of a `tf.data` service to load the training cases, or
            None.
        num_devices: how many GPUs train; None for all.
        tracker: one of `trackers.TRACKERS`, or None.

    Returns:
        Exit code: 0; `STOPPED` where SIGTERM came and the run was saved; `WORKER_LOST`
        where another worker ended.

    Raises:
        InputError: values do not fit one another, or the folder's run, a shard is
            damaged, or the weights to start from are.
    """
    place = run_folder.place()
    nothing_left = _nothing_left(config, run_folder, place)
    if nothing_left:
        print(f"the run in {run_folder.path} {nothing_left}; nothing to do")
        return 0
    strategy, steps_per_epoch = prepare(config, manifest, num_devices)
    model = build_model(config, manifest, steps_per_epoch, strategy)
    taken = set_initial_weights(model, config, run_folder, place)
    chief = is_chief(strategy)
    changed_rate = run_folder.changed_rate(config)
    if chief:
        run_folder.begin(config, manifest)
        remember(taken, run_folder)
    _describe(config, manifest, model, steps_per_epoch, strategy)
    if any(place):
        from_here = f"; {changed_rate}, from here on" if changed_rate else ""
        print(f"going on after {place}{from_here}", flush=True)
    unvalidated = _why_nothing_is_validated(config, shard_paths)
    if unvalidated:
        print(f"{unvalidated}; nothing is validated", flush=True)
    pictures = chief and _pictures(config, manifest, shard_paths, run_folder)
    try:
        with tracking(chief and tracker, run_folder.path, config) as callbacks:
            fit_to_folder(
                config,
                manifest,
                model,
                shard_paths,
                run_folder,
                steps_per_epoch,
                data_service,
                [*(pictures or []), *callbacks],
            )
    except TrainingStopped as stopped:
        print(f"{stopped}; the same command goes on from there", flush=True)
        return STOPPED
    except WorkerLost as lost:
        print(f"{lost}; started again, all go on from the last checkpoint", flush=True)
        return WORKER_LOST
    print(f"run folder: {run_folder.path}")
    return 0


def _nothing_left(config, run_folder, place):
    """Why a run is complete already, or None."""
    if place.epoch >= config.epochs:
        return f"has {place.epoch} epoch(s) already, {config.epochs} are asked for"
    if has_stopped_early(run_folder.path, config.early_stopping, place):
        return f"had been stopped early after epoch {place.epoch}"
    return None


def _why_nothing_is_validated(config, shard_paths):
    """The reason, or None where there are validations."""
    if "validation" not in shard_paths:
        return "the data has no split validation"
    if config.validation_frequency > config.epochs:
        return (
            f"--validation_frequency={config.validation_frequency} is more than "
            f"--epochs={config.epochs}"
        )
    return None


def prepare(config, manifest, num_devices=None):
    """What comes before a model.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        num_devices: how many GPUs train; None for all.

    Returns:
        (distribution strategy, steps of an epoch).

    Raises:
        InputError: the devices are not there, or do not share a batch, or what was
            asked of them does not go together.
    """
    if config.deterministic:
        if config.jit == "on":
            raise InputError(
                "--jit=on does not go with --deterministic: XLA lacks operations that "
                "repeat bit by bit"
            )
        tf.config.experimental.enable_op_determinism()
    strategy = _strategy(num_devices)
    if config.jit == "on" and strategy.num_replicas_in_sync > 1:
        raise InputError(
            f"--jit=on needs one device, and {strategy.num_replicas_in_sync} are to "
            "train: XLA compiles no step that several share"
        )
    _check_batch_size(config, strategy)
    return strategy, _steps_per_epoch(config, manifest)


def _strategy(num_devices):
    try:
        return training_strategy(num_devices)
    except ValueError as error:
        flag = "--" if str(error).startswith("num_devices") else ""
        raise InputError(f"{flag}{error}") from error


def _steps_per_epoch(config, manifest):
    return count_steps(
        len(manifest.split("train").uids),
        config.batch_size,
        config.patches_per_volume,
        config.remainder,
    )


def _check_batch_size(config, strategy):
    num_replicas = strategy.num_replicas_in_sync
    if is_multi_worker(strategy) and config.batch_size % num_replicas:
        raise InputError(
            f"--batch_size={config.batch_size} does not divide over the {num_replicas} "
            "devices of all workers"
        )
    of_device = _examples_of_device(config, num_replicas)
    if config.accumulation_steps > of_device:
        raise InputError(
            f"--accumulation_steps={config.accumulation_steps} is more than the "
            f"{of_device} example(s) that a device has of "
            f"--batch_size={config.batch_size}"
        )
    if config.batch_size < num_replicas:
        idle = num_replicas - config.batch_size
        print(
            f"--batch_size={config.batch_size} leaves {idle} of {num_replicas} devices "
            "without work",
            flush=True,
        )


def _examples_of_device(config, num_replicas):
    """How many examples of a batch a device has, at most."""
    return -(-config.batch_size // num_replicas)


def _validation(config, model, validation_paths):
    """Function to the batches of a replica, with the voxels that it trains on at once.

    These fit into memory with all that a gradient needs, so they do without it.
    """
    num_replicas = model.distribute_strategy.num_replicas_in_sync
    of_device = _examples_of_device(config, num_replicas)
    examples = -(-of_device // config.accumulation_steps)
    batch_voxels = examples * math.prod(config.patch_shape)

    def batches(input_context):
        return validation_dataset(validation_paths, batch_voxels, input_context)

    return batches


def _describe(config, manifest, model, steps_per_epoch, strategy):
    print(
        f"{manifest.dataset}: {len(manifest.split('train').uids)} training cases, "
        f"{model.num_classes} {_kind(model)}; {model.count_params():,} parameters; "
        f"{config.epochs} epoch(s) of {steps_per_epoch} steps; "
        f"{strategy.num_replicas_in_sync} device(s)",
        flush=True,
    )


def _kind(model):
    return "classes" if model.regions is None else "overlapping regions"


def _dataset_maker(config, manifest, shard_paths, data_service):
    """Function from a place in the run to the batches from there on."""

    def make_dataset(first_epoch, first_step, input_context):
        return training_dataset(
            shard_paths,
            len(manifest.split("train").uids),
            config.patch_shape,
            config.batch_size,
            config.seed,
            first_epoch,
            first_step,
            input_context=input_context,
            data_service=data_service,
            ignored_id=manifest.ignored_id,
            **config.pipeline_arguments(),
        )

    return make_dataset


def _uids_of(config, manifest, shard_paths):
    """Function from a place in the run to the cases of its batch."""

    def uids_of(epoch, step):
        return batch_uids(
            shard_paths,
            len(manifest.split("train").uids),
            config.batch_size,
            config.seed,
            epoch,
            step,
            config.patches_per_volume,
            config.remainder,
        )

    return uids_of


def _pictures(config, manifest, shard_paths, run_folder):
    """The callback that draws validation cases, in a list; none where none is asked."""
    if not config.validation_pictures or "validation" not in shard_paths:
        return []
    return [
        validation_pictures(
            shard_paths["validation"],
            config.validation_pictures,
            manifest.class_names,
            targets_of(config, manifest).region_labels,
            run_folder.path / "logs",
            manifest.ignored_id,
        )
    ]


def fit_to_folder(
    config,
    manifest,
    model,
    shard_paths,
    run_folder,
    steps_per_epoch,
    data_service=None,
    callbacks=(),
):
    """`training.fit` as a config has it.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        model: of `build_model`.
        shard_paths: as for `train`.
        run_folder: `RunFolder` to write to.
        steps_per_epoch: steps of an epoch.
        data_service: as for `train`.
        callbacks: further Keras callbacks.

    Raises:
        InputError: a shard is damaged, a loss is not finite, or a checkpoint cannot
            be written or is of another model.
        TrainingStopped: as `training.fit`.
        WorkerLost: likewise.
    """
    validation_paths = shard_paths.get("validation")
    try:
        with named_shard_errors():
            fit(
                model,
                _dataset_maker(config, manifest, shard_paths["train"], data_service),
                run_folder.path,
                config.epochs,
                steps_per_epoch,
                config.batch_size,
                validation_paths and _validation(config, model, validation_paths),
                config.validation_frequency,
                config.keep_checkpoints,
                config.checkpoint_steps,
                _uids_of(config, manifest, shard_paths["train"]),
                config.early_stopping,
                callbacks,
            )
    except (CheckpointError, FloatingPointError) as error:
        raise InputError(f"--model_dir={run_folder.path}: {error}") from error


def build_model(config, manifest, steps_per_epoch, strategy):
    """The compiled model.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest`, for the numbers of classes and channels.
        steps_per_epoch: for the length of the learning rate's decay.
        strategy: the distribution strategy to train under.

    Returns:
        `DiffusionUNet3D`.

    Raises:
        InputError: a value of the config is out of range.
    """
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        model = build_network(config, manifest)
        model.compile(
            make_optimizer(config, config.epochs * steps_per_epoch),
            jit_compile={"auto": "auto", "on": True, "off": False}[config.jit],
            accumulation_steps=config.accumulation_steps,
        )
    return model


def build_network(config, manifest):
    """The model, not compiled.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest`.

    Returns:
        `DiffusionUNet3D`.

    Raises:
        InputError: a value of the config is out of range.
    """
    targets = targets_of(config, manifest)
    try:
        return DiffusionUNet3D(
            targets.num_outputs,
            manifest.num_channels,
            regions=targets.regions,
            class_frequencies=targets.frequencies(_class_frequencies(manifest)),
            ignore_label=manifest.ignored_id,
            dtype=config.precision,
            **config.model_arguments(),
        )
    except ValueError as error:
        raise InputError(f"config: {error}") from error


def make_optimizer(config, total_steps):
    """AdamW as a config has it.

    Args:
        config: `TrainConfig`.
        total_steps: optimizer steps of the run.

    Returns:
        `KernelDecayAdamW`.
    """
    average = {"use_ema": True, "ema_momentum": config.ema} if config.ema else {}
    return KernelDecayAdamW(
        learning_rate_schedule(
            config.learning_rate, total_steps, config.warmup_steps, config.schedule
        ),
        weight_decay=config.weight_decay,
        global_clipnorm=config.gradient_clip,
        **average,
    )


def _class_frequencies(manifest):
    """Share of the training cases' voxels that each class has."""
    voxels = manifest.split("train").statistics["voxels_per_class"]
    if not sum(voxels):
        raise InputError(
            f"data set {manifest.dataset}: every voxel of the training cases has the "
            f"ignore label {manifest.ignore_label}, there is nothing to train on"
        )
    return [count / sum(voxels) for count in voxels]
