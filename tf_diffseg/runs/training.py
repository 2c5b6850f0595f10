"""Training of a run by a config."""

from tf_diffseg.data.data_service import check_data_service
from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.planning.memory_check import check_memory
from tf_diffseg.runs.run_plan import plan_run
from tf_diffseg.runs.trackers import check_tracker


def train(
    config,
    data_dir,
    model_dir,
    data_service=None,
    num_devices=None,
    tracker=None,
    memory_gib=None,
):
    """Trains a network on converted shards, or goes on where the run stopped.

    It checks all it can before it loads TensorFlow and before it writes anything.

    Args:
        config: `TrainConfig`.
        data_dir: folder of the shards and their manifest.
        model_dir: folder of the run: config, checkpoints, logs, metrics. If it holds a
            run, this run goes on up to `config.epochs`.
        data_service: address of a `tf.data` service that loads the training cases, or
            None.
        num_devices: how many GPUs of this machine train; None for all.
        tracker: "wandb" or "mlflow" to log there too, or None.
        memory_gib: memory that a step may take on a CPU, in GiB, by estimate; None for
            what is free.

    Returns:
        `RunFolder`, a path that `load_segmenter`, `evaluate_run` and `load_pretrained`
        take; `load_model()` gives the trained model.

    Raises:
        InputError: a folder cannot be used; values do not fit one another, the data,
            the memory or the run in the folder; or a shard or the initial weights are
            damaged.
        tf_diffseg.training.TrainingStopped: SIGTERM came and the run is saved; the
            same call goes on.
        tf_diffseg.training.WorkerLost: another worker ended; the same call in all
            workers goes on from the last checkpoint.

    Example:
        >>> config = TrainConfig(patch_shape=(8, 8, 8), epochs=1, num_channels=(4, 8))
        >>> run = train(config, data_dir, "RUN")
    """
    plan = checked_plan(config, data_dir, model_dir, data_service, tracker, memory_gib)
    from tf_diffseg.runs.training_run import train_plan

    train_plan(plan, data_service, num_devices, tracker)
    return plan.run_folder


def dry_run(
    config,
    data_dir,
    model_dir,
    data_service=None,
    num_devices=None,
    memory_gib=None,
):
    """Prints what `train` would cost, takes two steps and checks an export.

    Args:
        config: `TrainConfig`.
        data_dir: as in `train`.
        model_dir: as in `train`; nothing is written into it.
        data_service: as in `train`.
        num_devices: as in `train`.
        memory_gib: as in `train`.

    Raises:
        InputError: as in `train`, or there are several workers.
    """
    plan = checked_plan(
        config, data_dir, model_dir, data_service, memory_gib=memory_gib
    )
    from tf_diffseg.runs.dry_run import try_plan

    try_plan(plan, data_service, num_devices)


def checked_plan(
    config, data_dir, model_dir, data_service=None, tracker=None, memory_gib=None
):
    """Loads TensorFlow; returns the `RunPlan`, or raises InputError like `train`."""
    plan = plan_run(config, data_dir, model_dir)
    check_tracker(tracker)
    if data_service is not None:
        check_data_service(data_service)
    load_tensorflow()
    from tf_diffseg.runs.training_run import why_complete

    if not why_complete(plan.config, plan.run_folder):
        check_memory(plan.config, plan.manifest, memory_gib)
    check_counts(plan.manifest, plan.all_shards)
    return plan
