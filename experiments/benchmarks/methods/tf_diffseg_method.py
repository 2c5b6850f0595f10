"""Our own method: the converter, the train step and the inference of the commands."""

import dataclasses
import shutil
import subprocess

import keras
import nibabel

from tf_diffseg import load_segmenter
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.data.training_pipeline import training_dataset
from tf_diffseg.module_process import module_command
from tf_diffseg.runs.fitting import steps_per_epoch
from tf_diffseg.runs.run_devices import strategy_of
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training_run import build_model, make_optimizer
from tf_diffseg.runs.trial import measure_step
from tf_diffseg.training.fit import training_callbacks
from tf_diffseg.training.optimizer import learning_rate_schedule

# More than fit into any time: the clock ends the training.
_MOST_STEPS = 10**9


def prepare(job, folder):
    """Converts the cases."""
    shape = ",".join(map(str, job["volume_shape"]))
    command = module_command(
        "data_tools.convert_nifti",
        "--overwrite",
        f"--dataset_json={job['dataset']}",
        f"--split_file={folder / 'split.json'}",
        f"--volume_shape={shape}",
        f"--output_dir={folder / 'shards'}",
    )
    subprocess.run(command, check=True)


def train(job, folder, clock):
    """Trains by the config, whose schedule spans the time in place of its epochs.

    A training that was stopped begins again: its time could not be told.
    """
    config = TrainConfig.from_json(folder / "config.json")
    shards = folder / "shards"
    manifest = read_manifest(shards)
    config = _with_average(config, manifest, shards, 60.0 * job["minutes"])
    run = RunFolder(folder / "run")
    shutil.rmtree(run.path, ignore_errors=True)
    run.begin(dataclasses.replace(config, epochs=1), manifest)
    steps = steps_per_epoch(config, manifest)
    model = build_model(config, manifest, steps, strategy_of(config))
    schedule = _follow_clock(model, config, config.epochs * steps)
    model.fit(
        training_dataset(
            manifest.shard_paths(shards, "train"),
            len(manifest.split("train").uids),
            config.patch_shape,
            config.batch_size,
            config.seed,
            **config.pipeline_arguments(),
        ),
        steps_per_epoch=_MOST_STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[
            # As if another process wrote logs: there is no validation to log.
            *training_callbacks(run.path, config.batch_size, chief=False),
            _ByClock(clock, schedule),
        ],
    )
    return {
        "settings": {
            "parameters": model.count_params(),
            "patch": list(config.patch_shape),
            "batch": config.batch_size,
            "precision": config.precision,
            "ema": config.ema,
        }
    }


def _with_average(config, manifest, shards, seconds):
    """Averages the weights over the same share of the run as the config does."""
    if not config.ema:
        return config
    steps = config.epochs * steps_per_epoch(config, manifest)
    in_time = seconds / measure_step(config, manifest, shards)
    keras.backend.clear_session()
    momentum = 1.0 - (1.0 - config.ema) * steps / in_time
    return dataclasses.replace(config, ema=round(min(max(momentum, 0.5), 0.9999), 4))


def _follow_clock(model, config, total_steps):
    """Gives the model an optimizer whose rate can be set.

    Returns:
        Function from a share of the run to the learning rate of the config.
    """
    optimizer = make_optimizer(config, total_steps)
    fields = {**optimizer.get_config(), "learning_rate": config.learning_rate}
    with model.distribute_strategy.scope():
        model.compile(
            type(optimizer).from_config(fields),
            jit_compile={"auto": "auto", "on": True, "off": False}[config.jit],
            accumulation_steps=config.accumulation_steps,
        )
    rate_at = learning_rate_schedule(
        config.learning_rate, total_steps, config.warmup_steps, config.schedule
    )
    return lambda share: float(rate_at(share * total_steps))


class _ByClock(keras.callbacks.Callback):
    """Sets the learning rate by the time that is gone, and ends the training."""

    def __init__(self, clock, schedule):
        super().__init__()
        self._clock = clock
        self._schedule = schedule

    def on_train_batch_begin(self, batch, logs=None):
        del logs
        if not batch:
            self._clock.start()
        self.model.optimizer.learning_rate = self._schedule(self._clock.share)

    def on_train_batch_end(self, batch, logs=None):
        del batch
        self._clock.step(logs["loss"])
        self.model.stop_training = self._clock.is_over


def predict(job, folder, labels):
    """Segments as `load_segmenter` does by default."""
    segmenter = load_segmenter(folder / "run")
    for case in job["test"]:
        label = segmenter(nibabel.load(case["image"]))
        nibabel.save(label, labels / f"{case['uid']}.nii.gz")
