"""What the flags of experiments.train do, and what its exit codes are."""

import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.commands import run_module
from tests.data_tools.cube_shards import cube_shards
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.runs.fitting import steps_per_epoch
from tf_diffseg.runs.run_devices import strategy_of
from tf_diffseg.runs.run_plan import training_shards
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.training import train
from tf_diffseg.runs.training_run import build_model
from tf_diffseg.training.saving.trained_model import load_trained_model

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = TrainConfig(
    patch_shape=(8, 8, 8),
    num_channels=(4,),
    num_heads=0,
    epochs=1,
    batch_size=2,
    warmup_steps=0,
    learning_rate=0.01,
    validation_frequency=1,
    jit="off",
)
_FLAGS = [
    "--patch_shape=8,8,8",
    "--num_channels=4",
    "--num_heads=0",
    "--validation_frequency=1",
    "--validation_pictures=0",
    "--batch_size=2",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Eight small cubes: four or so to train on, the others to validate."""
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.5, "validation": 0.5}
    return cube_shards(folder, folder / "shards", split, num_cases=8)


def _train(shards, folder, **changes):
    """Trains as the command does; returns the model of the last checkpoint."""
    train(dataclasses.replace(CONFIG, **changes), shards, folder)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    assert np.isfinite([line["loss"] for line in lines]).all()
    assert 0.0 <= lines[-1]["val_dice"] <= 1.0
    pictures = [path.read_bytes() for path in (folder / "pictures").iterdir()]
    assert len(pictures) == changes.get("validation_pictures", 2)
    assert all(png.startswith(b"\x89PNG") for png in pictures)
    (path,) = (folder / "checkpoints").glob("epoch-00001.keras")
    return load_trained_model(path)


@pytest.mark.parametrize(
    "precision, schedule, last_rate",
    [
        pytest.param("mixed_bfloat16", "cosine", 0.0, marks=pytest.mark.slow),
        pytest.param("mixed_float16", "constant", 0.01, marks=pytest.mark.slow),
    ],
)
def test_precision_is_that_of_the_network_and_schedule_that_of_the_rate(
    shards, tmp_path, precision, schedule, last_rate
):
    model = _train(shards, tmp_path, precision=precision, schedule=schedule)
    assert model.dtype_policy.name == precision
    assert model.get_layer("stem").compute_dtype == precision.removeprefix("mixed_")
    assert model.get_layer("head").compute_dtype == "float32"
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (precision == "mixed_float16")
    rate = float(np.asarray(model.optimizer.learning_rate))
    assert rate == pytest.approx(last_rate, abs=1e-8)


@pytest.mark.slow
def test_another_learning_rate_is_taken_from_there_on(shards, tmp_path, capsys):
    """Without a rise and constant, it is the step of plain Adam with that rate."""
    _train(shards, tmp_path, schedule="constant")
    config = dataclasses.replace(
        CONFIG, epochs=2, schedule="constant", learning_rate=0.0, weight_decay=0.0
    )
    with pytest.raises(InputError, match="another config: weight_decay was 0.0001"):
        train(config, shards, tmp_path)
    config = dataclasses.replace(config, weight_decay=CONFIG.weight_decay)
    folder = train(config, shards, tmp_path)
    told = "going on after epoch 1; learning_rate was 0.01, now 0.0, from here on"
    assert told in capsys.readouterr().out
    assert folder.config() == config
    # A rate of 0 leaves the weights where they are.
    first, second = (
        load_trained_model(tmp_path / "checkpoints" / f"epoch-0000{epoch}.keras")
        for epoch in (1, 2)
    )
    for before, after in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    assert int(second.optimizer.iterations) == 2 * int(first.optimizer.iterations)


def test_a_wrong_number_of_scale_factors_is_named(shards, tmp_path):
    config = dataclasses.replace(CONFIG, scale_factor=((2, 2, 1),))
    with pytest.raises(InputError) as caught:
        train(config, shards, tmp_path / "run")
    assert caught.value.of_command() == (
        "--scale_factor must be three positive integers, or 0 such triple(s), one for "
        "each step between resolutions, got ((2, 2, 1),)"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_jit_is_as_asked_and_the_compiled_step_trains(shards, tmp_path):
    manifest = read_manifest(shards)
    strategy, steps = strategy_of(CONFIG), steps_per_epoch(CONFIG, manifest)
    for jit, expected in {"on": True, "off": False}.items():
        config = dataclasses.replace(CONFIG, jit=jit)
        model = build_model(config, manifest, steps, strategy)
        assert model.jit_compile is expected
    _train(shards, tmp_path, jit="on")


def test_early_stopping_without_a_validation_is_refused(shards):
    manifest = read_manifest(shards)
    alone = dataclasses.replace(manifest, splits={"train": manifest.splits["train"]})
    config = dataclasses.replace(CONFIG, early_stopping=2)
    with pytest.raises(InputError, match="^early_stopping=2 needs a split validation"):
        training_shards(config, alone, shards)
    config = dataclasses.replace(config, epochs=2, validation_frequency=3)
    with pytest.raises(InputError, match="`validation_frequency=3` is more than"):
        training_shards(config, manifest, shards)


def test_a_run_without_a_validation_says_so(shards, tmp_path, capsys):
    config = dataclasses.replace(CONFIG, validation_frequency=2)
    train(config, shards, tmp_path)
    message = "validation_frequency=2 is more than epochs=1; nothing is validated"
    assert message in capsys.readouterr().out


def test_xla_does_not_go_with_determinism(shards, tmp_path):
    config = dataclasses.replace(CONFIG, jit="on", deterministic=True)
    with pytest.raises(InputError, match="^jit=on does not go with `deterministic`"):
        train(config, shards, tmp_path)


def _run(shards, folder, *flags):
    flags = [*_FLAGS, *flags, f"--data_dir={shards}", f"--model_dir={folder}"]
    return run_module("experiments.train", *flags)


def _start(shards, folder, *flags, **environment):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "experiments.train", *_FLAGS, *flags),
            f"--data_dir={shards}",
            f"--model_dir={folder}",
        ],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def _read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} was not printed")


def test_sigterm_is_75_and_the_same_command_goes_on(shards, tmp_path):
    endless = ["--epochs=1000000", "--validation_frequency=1000000"]
    process = _start(shards, tmp_path / "run", *endless)
    _read_until(process, "epoch 2/")
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode == 75, output
    assert "terminated; saved after epoch" in output
    assert "the same command goes on from there" in output
    done = _run(shards, tmp_path / "run", "--epochs=1")
    assert "nothing to do" in done.stdout
    assert done.returncode == 0


@pytest.mark.slow
def test_a_worker_that_is_lost_is_76(shards, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    processes = [
        _start(
            shards,
            tmp_path / "run",
            "--epochs=1000000",
            TF_CONFIG=json.dumps(
                {"cluster": cluster, "task": {"type": "worker", "index": index}}
            ),
            CUDA_VISIBLE_DEVICES="",
        )
        for index in range(2)
    ]
    try:
        _read_until(processes[0], "epoch 2/")
        processes[1].kill()
        output = processes[0].communicate(timeout=300)[0]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert processes[0].returncode == 76, output
    assert "worker 0 stops: another worker ended" in output
    assert "started again, all go on from the last checkpoint" in output


def test_more_devices_than_there_are_are_refused(shards, tmp_path):
    done = _run(shards, tmp_path / "run", "--num_devices=99")
    assert done.returncode == 1
    assert "--num_devices must be from 1 to" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_a_run_costs_and_leaves_nothing(shards, tmp_path):
    done = _run(shards, tmp_path / "run", "--dry_run", "--epochs=7")
    output = done.stdout
    assert done.returncode == 0, done.stderr
    lines = dict(
        line.split("   ", maxsplit=1) for line in output.splitlines() if "   " in line
    )
    said = {name: value.strip() for name, value in lines.items()}
    assert int(said["parameters"].replace(",", "")) > 1000
    assert said["activation memory"].endswith("GiB on each device, estimated")
    assert float(said["FLOPs per step"].split()[0]) > 0.0
    assert said["steps"].startswith("7 epoch(s) of ")
    assert "of the second step" in said["estimated time"]
    assert said["export"] == "segments a volume of 8x8x8"
    assert "s for a case of 8x8x8, by 1 window(s) of" in said["evaluation"]
    assert "step 2/2" in output and "epoch 1/1" in output
    assert list(tmp_path.iterdir()) == []
