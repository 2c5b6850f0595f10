"""Dry run: estimates the cost of a run, and tries two steps and an export."""

import dataclasses
import datetime
import math
import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf

from tf_diffseg.errors import InputError
from tf_diffseg.inference.sliding_window import num_windows
from tf_diffseg.runs.fitting import steps_per_epoch
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.initial_weights import set_initial_weights
from tf_diffseg.runs.run_devices import strategy_of
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.run_plan import RunPlan
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.runs.training_run import build_model
from tf_diffseg.runs.trial import take_steps
from tf_diffseg.serving import export_saved_model
from tf_diffseg.training.distribution.multi_worker import is_multi_worker
from tf_diffseg.training.flops import graph_flops
from tf_diffseg.training.graph_memory import peak_bytes
from tf_diffseg.training.saving.checkpoints import Place

_STEPS = 2


def try_plan(plan, data_service=None, num_devices=None):
    """Prints the cost of a run, takes two steps on its data and checks an export.

    It writes only to a temporary folder. Errors are those of `training.dry_run`.
    """
    config, manifest = plan.config, plan.manifest
    strategy = strategy_of(config, num_devices)
    if is_multi_worker(strategy):
        raise InputError(
            "dry_run is for one machine; run it without the others", argument="dry_run"
        )
    flops, activation_bytes = _cost_of_step(config, manifest, strategy)
    num_steps = steps_per_epoch(config, manifest)
    model = build_model(config, manifest, num_steps, strategy)
    set_initial_weights(model, config, None, Place())
    total_steps = num_steps * config.epochs
    print(f"parameters          {model.count_params():,}")
    print(
        f"activation memory   {activation_bytes / 2**30:.2f} GiB on each device, "
        "estimated"
    )
    print(f"FLOPs per step      {flops / 1e9:.3g} GFLOP, of convolutions and products")
    print(
        f"steps               {config.epochs} epoch(s) of {num_steps}: {total_steps}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        run_folder = RunFolder(pathlib.Path(folder) / "run")
        run_folder.begin(config, manifest)
        short = RunPlan(config, manifest, plan.shard_paths, run_folder)
        step_seconds = take_steps(short, model, _STEPS, data_service)
        seconds = datetime.timedelta(seconds=round(step_seconds * total_steps))
        print(
            f"estimated time      {seconds} of training, by {step_seconds:.2f} s "
            "of the second step; validation comes on top"
        )
        options = InferenceOptions()
        shape, window_seconds = _try_export(config, run_folder, options)
    print(f"export              segments a volume of {shape}")
    _print_evaluation(manifest, config.patch_shape, options.overlap, window_seconds)
    print("dry run: all parts work, nothing was kept")


def _cost_of_step(config, manifest, strategy):
    """(FLOPs of a step, bytes of its activations on a device), from its graph."""
    parts = strategy.num_replicas_in_sync * config.accumulation_steps
    # The graph of one part of the batch; a device works through its parts in turn.
    model = build_model(
        dataclasses.replace(config, accumulation_steps=1), manifest, 1, strategy
    )
    shape = [-(-config.batch_size // parts), *config.patch_shape]
    batch = {
        "image": tf.TensorSpec([*shape, manifest.num_channels]),
        "label": tf.TensorSpec(shape, tf.int32),
    }

    @tf.function(autograph=False)
    def step(batch):
        return strategy.run(model.train_step, args=(batch,))

    graph = step.get_concrete_function(batch).graph
    # The graph holds the steps of all replicas.
    return graph_flops(graph) * config.accumulation_steps, peak_bytes(graph)


def _print_evaluation(manifest, window_shape, overlap, window_seconds):
    """Prints the time of segmenting the median volume of the training data."""
    # Older shards do not tell the shapes.
    measured = manifest.fingerprint.get("shape")
    case_shape = measured["median"] if measured else window_shape
    windows = math.prod(
        num_windows(max(round(size), window), window, overlap)
        for size, window in zip(case_shape, window_shape, strict=True)
    )
    print(
        f"evaluation          {windows * window_seconds:.2g} s for a case of "
        f"{'x'.join(f'{size:.0f}' for size in case_shape)}, by {windows} window(s) of "
        f"{window_seconds:.2g} s; metrics and pictures come on top"
    )


def _try_export(config, run_folder, options):
    """Exports the checkpoint, loads the export, and segments a volume with it.

    Returns:
        Shape of the label map as text, and seconds of the second time.
    """
    trained = TrainedModels([run_folder.path], options)
    (model,) = trained.models
    path = export_saved_model(
        trained.segmenter(), model, run_folder.path / "export", {}
    )
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    image = tf.zeros([1, *config.patch_shape, model.image_channels])
    for _ in range(2):
        began = time.perf_counter()
        label = serve(image=image, seed=tf.constant([0]))["label"].numpy()
        seconds = time.perf_counter() - began
    if label.shape != (1, *config.patch_shape) or not np.all(label >= 0):
        raise InputError(
            f"the export gave a label map of {label.shape[1:]} for a volume of "
            f"{config.patch_shape}"
        )
    return "x".join(map(str, label.shape[1:])), seconds
