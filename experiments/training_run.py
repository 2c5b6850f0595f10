"""One training run: model, data and optimizer out of a config."""

import keras

from data_tools.errors import InputError
from experiments.shard_errors import named_shard_errors
from tf_diffseg.data.epoch_order import steps_per_epoch as count_steps
from tf_diffseg.data.input_pipeline import training_dataset, validation_dataset
from tf_diffseg.training.devices import mirrored_strategy
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.fit import fit


def train(config, manifest, shard_paths, run_folder, data_service=None):
    """Trains up to `config.epochs`, resuming where the run stopped.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        shard_paths: dict from "train" and, if there is one, "validation" to the
            paths of their shards.
        run_folder: `RunFolder` to write to.
        data_service: address of a `tf.data` service to load the training cases, or
            None.

    Raises:
        InputError: values do not fit one another, or the folder's run, or a shard is
            damaged.
    """
    num_epochs = run_folder.num_epochs()
    if num_epochs >= config.epochs:
        print(
            f"the run in {run_folder.path} has {num_epochs} epoch(s) already, "
            f"{config.epochs} are asked for; nothing to do"
        )
        return
    num_cases = len(manifest.split("train").uids)
    steps_per_epoch = count_steps(
        num_cases, config.batch_size, config.patches_per_volume, config.remainder
    )
    strategy = mirrored_strategy()
    if config.batch_size % strategy.num_replicas_in_sync:
        raise InputError(
            f"--batch_size={config.batch_size} does not divide over "
            f"{strategy.num_replicas_in_sync} devices"
        )
    model = build_model(config, manifest, steps_per_epoch, strategy)
    run_folder.begin(config, manifest)
    print(
        f"{manifest.dataset}: {num_cases} training cases, "
        f"{manifest.num_classes} classes; {model.count_params():,} parameters; "
        f"{config.epochs} epoch(s) of {steps_per_epoch} steps; "
        f"{strategy.num_replicas_in_sync} device(s)",
        flush=True,
    )
    if num_epochs:
        print(f"going on after epoch {num_epochs}", flush=True)
    if "validation" not in shard_paths:
        print("the data has no split validation; nothing is validated", flush=True)

    def make_dataset(first_epoch):
        return training_dataset(
            shard_paths["train"],
            num_cases,
            config.patch_shape,
            config.batch_size,
            config.seed,
            first_epoch,
            data_service=data_service,
            **config.pipeline_arguments(),
        )

    validation = None
    try:
        with named_shard_errors():
            if "validation" in shard_paths:
                validation = validation_dataset(shard_paths["validation"])
            fit(
                model,
                make_dataset,
                run_folder.path,
                config.epochs,
                steps_per_epoch,
                config.batch_size,
                validation,
                config.validation_frequency,
            )
    except FloatingPointError as error:
        raise InputError(f"--model_dir={run_folder.path}: {error}") from error
    print(f"run folder: {run_folder.path}")


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
    total_steps = config.epochs * steps_per_epoch
    warmup_steps = min(config.warmup_steps, total_steps // 2)
    try:
        with strategy.scope():
            model = DiffusionUNet3D(
                manifest.num_classes,
                manifest.num_channels,
                class_frequencies=_class_frequencies(manifest),
                **config.model_arguments(),
            )
            learning_rate = keras.optimizers.schedules.CosineDecay(
                0.0,
                decay_steps=total_steps - warmup_steps,
                warmup_target=config.learning_rate,
                warmup_steps=warmup_steps,
            )
            optimizer = keras.optimizers.AdamW(
                learning_rate,
                weight_decay=config.weight_decay,
                global_clipnorm=config.gradient_clip,
            )
            model.compile(optimizer)
    except ValueError as error:
        raise InputError(f"config: {error}") from error
    return model


def _class_frequencies(manifest):
    """Share of the training cases' voxels that each class has."""
    voxels = manifest.split("train").statistics["voxels_per_class"]
    return [count / sum(voxels) for count in voxels]
