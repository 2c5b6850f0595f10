"""A few steps of a run, in a folder that is thrown away."""

import contextlib
import dataclasses
import pathlib
import statistics
import tempfile
import time

import keras
import tensorflow as tf

from tf_diffseg.errors import InputError
from tf_diffseg.runs.fitting import dataset_maker, fit_to_folder
from tf_diffseg.runs.run_devices import strategy_of
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.run_plan import RunPlan, training_shards
from tf_diffseg.runs.training_run import build_model
from tf_diffseg.training.distribution.multi_worker import is_multi_worker
from tf_diffseg.training.interruptions import TrainingStopped

NUM_STEPS = 5
_NUM_BATCHES = 8


def measure_step(config, manifest, data_dir, num_devices=None):
    """Measures the seconds of a training step on the data itself.

    Args:
        config: `TrainConfig`.
        manifest: `Manifest` of the data.
        data_dir: folder of the shards.
        num_devices: as in `training.train`.

    Raises:
        InputError: as in `training.train`, or there are several workers, which would
            measure different times.
    """
    with trial_run(config, manifest, data_dir, num_devices) as (_, seconds):
        return seconds


@contextlib.contextmanager
def trial_run(config, manifest, data_dir, num_devices=None):
    """Trains for `NUM_STEPS` steps in a folder that is thrown away at the end.

    Arguments and errors are those of `measure_step`.

    Yields:
        (`RunFolder` with a checkpoint, seconds of a step).
    """
    strategy = strategy_of(config, num_devices)
    if is_multi_worker(strategy):
        raise InputError(
            "epochs: several workers need a number of epochs, as each would measure "
            "another time of a step",
            argument="epochs",
        )
    model = build_model(config, manifest, NUM_STEPS, strategy)
    shards = training_shards(config, manifest, data_dir)
    with tempfile.TemporaryDirectory() as folder:
        run_folder = RunFolder(pathlib.Path(folder) / "run")
        run_folder.begin(config, manifest)
        plan = RunPlan(config, manifest, shards, run_folder)
        yield run_folder, take_steps(plan, model, NUM_STEPS)


def take_steps(plan, model, num_steps, data_service=None):
    """Trains for one epoch of few steps, without validation.

    Args:
        plan: `RunPlan`; its folder is written to.
        model: model from `build_model`.
        num_steps: number of steps, at least 2.
        data_service: as in `training.train`.

    Returns:
        Seconds of a step: the median of all but the first, for which batches wait, and
        the time to make a batch. Beside a GPU the CPU makes the next one meanwhile.

    Raises:
        TrainingStopped: SIGTERM came.
    """
    clock = _StepSeconds()
    short = RunPlan(
        dataclasses.replace(plan.config, epochs=1),
        plan.manifest,
        {"train": plan.shard_paths["train"]},
        plan.run_folder,
    )
    try:
        fit_to_folder(short, model, num_steps, data_service, [clock])
    except TrainingStopped as stopped:
        stopped.args = ("terminated during a trial, of which nothing is kept",)
        raise
    step, batch = statistics.median(clock.seconds[1:]), _batch_seconds(short)
    return max(step, batch) if tf.config.list_physical_devices("GPU") else step + batch


def _batch_seconds(plan):
    """Seconds to make a batch, over whole rounds of patches and none that waits."""
    batches = iter(dataset_maker(plan)(0, 0, None))
    number = max(_NUM_BATCHES, 2 * plan.config.patches_per_volume)
    next(batches)
    began = time.perf_counter()
    for _ in range(number):
        next(batches)
    return (time.perf_counter() - began) / number


class _StepSeconds(keras.callbacks.Callback):
    """Records the seconds of each step, with the time that it waits for its batch."""

    def __init__(self):
        super().__init__()
        self.seconds = []
        self._began = None

    def on_train_begin(self, logs=None):
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # Waits for the GPU.
        now = time.perf_counter()
        self.seconds.append(now - self._began)
        self._began = now
