"""One training run: model, data and optimizer of a config."""

import re
from contextlib import nullcontext

import keras

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.runs.fitting import fit_to_folder, steps_per_epoch
from tf_diffseg.runs.initial_weights import remember, set_initial_weights
from tf_diffseg.runs.run_devices import strategy_of
from tf_diffseg.runs.trackers import tracking
from tf_diffseg.runs.validation_pictures import validation_pictures
from tf_diffseg.training.choices import JIT_COMPILE
from tf_diffseg.training.distribution.multi_worker import is_chief
from tf_diffseg.training.fit import has_stopped_early
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.optimizer import KernelDecayAdamW, learning_rate_schedule
from tf_diffseg.whole_files import alone_in


def train_plan(plan, data_service=None, num_devices=None, tracker=None, callbacks=()):
    """Trains the run of a `RunPlan`, or goes on with it.

    Arguments, results and errors are those of `training.train`; `callbacks` are further
    Keras callbacks.
    """
    config, manifest, run_folder = plan.config, plan.manifest, plan.run_folder
    complete = why_complete(config, run_folder)
    changed_rate = run_folder.changed_rate(config)
    if complete and changed_rate:
        raise InputError(
            f"the run in {run_folder.path} {complete}, so {changed_rate} would train "
            "nothing; ask for more `epochs`, or name another folder"
        )
    if complete:
        print(f"the run in {run_folder.path} {complete}; nothing to do")
        return
    place = run_folder.place()
    strategy = strategy_of(config, num_devices)
    num_steps = steps_per_epoch(config, manifest)
    model = build_model(config, manifest, num_steps, strategy)
    taken = set_initial_weights(model, config, run_folder, place)
    chief = is_chief(strategy)
    # Of several workers only the chief writes.
    alone = alone_in("model_dir", run_folder.path) if chief else nullcontext()
    with alone:
        if chief:
            run_folder.begin(config, manifest)
            remember(taken, config, run_folder)
        _describe(plan, model, num_steps, strategy)
        if any(place):
            from_here = f"; {changed_rate}, from here on" if changed_rate else ""
            print(f"going on after {place}{from_here}", flush=True)
        pictures = _pictures(plan) if chief else []
        with tracking(chief and tracker, run_folder.path, config) as trackers:
            more = [*pictures, *trackers, *callbacks]
            fit_to_folder(plan, model, num_steps, data_service, more)
    print(f"run folder: {run_folder.path}")


def why_complete(config, run_folder):
    """Why nothing is left to train of the run in a `RunFolder`, or None."""
    place = run_folder.place()
    if place.epoch >= config.epochs:
        return f"has {place.epoch} epoch(s) already, {config.epochs} are asked for"
    if has_stopped_early(run_folder.path, config.early_stopping, place):
        return f"had been stopped early after epoch {place.epoch}"
    return None


def _describe(plan, model, num_steps, strategy):
    """Prints the data, the size of the model and the steps."""
    config, manifest = plan.config, plan.manifest
    kind = "classes" if model.regions is None else "overlapping regions"
    print(
        f"{manifest.dataset}: {len(manifest.split('train').uids)} training cases, "
        f"{model.num_classes} {kind}; {model.count_params():,} parameters; "
        f"{config.epochs} epoch(s) of {num_steps} steps; "
        f"{strategy.num_replicas_in_sync} device(s)",
        flush=True,
    )
    if config.folds:
        validated = manifest.split("validation").uids
        print(
            f"fold {config.fold} of {config.folds}: validated on {len(validated)} cases"
        )
    unvalidated = _why_nothing_is_validated(config, plan.shard_paths)
    if unvalidated:
        print(f"{unvalidated}; nothing is validated", flush=True)


def _why_nothing_is_validated(config, shard_paths):
    """The reason, or None if there are validations."""
    if "validation" not in shard_paths:
        return "the data has no split validation"
    if config.validation_frequency > config.epochs:
        return (
            f"validation_frequency={config.validation_frequency} is more than "
            f"epochs={config.epochs}"
        )
    return None


def _pictures(plan):
    """List of the callback that draws validation cases; empty if none are drawn."""
    config, manifest = plan.config, plan.manifest
    if not config.validation_pictures or "validation" not in plan.shard_paths:
        return []
    return [
        validation_pictures(
            plan.shard_paths["validation"],
            config.validation_pictures,
            manifest.class_names,
            targets_of(config, manifest).region_labels,
            plan.run_folder.path,
            config.patch_shape,
            manifest.ignored_id,
        )
    ]


def build_model(config, manifest, steps_per_epoch, strategy):
    """Builds and compiles the model.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest`, for the numbers of classes and channels.
        steps_per_epoch: for the length of the learning rate's decay.
        strategy: TensorFlow's distribution strategy.

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
            jit_compile=JIT_COMPILE[config.jit],
            accumulation_steps=config.accumulation_steps,
        )
    return model


def build_network(config, manifest):
    """Builds the model of a `TrainConfig` for the data of a `Manifest`.

    Returns:
        `DiffusionUNet3D`, or `SegmentationUNet3D` if the strategy is supervised.

    Raises:
        InputError: a value of the config is out of range.
    """
    targets = targets_of(config, manifest)
    try:
        return flat_network(
            targets.num_outputs,
            manifest.num_channels,
            regions=targets.regions,
            class_frequencies=targets.frequencies(_class_frequencies(manifest)),
            ignore_label=manifest.ignored_id,
            dtype=config.precision,
            **config.model_arguments(),
        )
    except ValueError as error:
        if getattr(error, "argument", None):
            raise
        raise _error_of_config(error, config) from error


def _error_of_config(error, config):
    """The InputError of a ValueError whose message may start with a value's name."""
    name = re.match(r"\w*", str(error)).group()
    for field in ("sampler", "more_losses"):
        value = getattr(config, field)
        if f"{name}=" in value:  # It is an option inside of the value.
            return InputError(f"{field}={value}: {error}", argument=field)
    return InputError(str(error), argument=name if hasattr(config, name) else None)


def make_optimizer(config, total_steps):
    """`KernelDecayAdamW` of a `TrainConfig`, for a run of `total_steps`."""
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
    """Share of each class in the voxels of the training cases."""
    voxels = manifest.split("train").statistics["voxels_per_class"]
    if not sum(voxels):
        raise InputError(
            f"data set {manifest.dataset}: every voxel of the training cases has the "
            f"ignore label {manifest.ignore_label}, there is nothing to train on"
        )
    return [count / sum(voxels) for count in voxels]
