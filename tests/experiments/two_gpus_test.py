"""The train command on a machine with two GPUs, for which two CPU devices stand."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.data_tools.cube_shards import cube_shards
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D  # noqa: F401
from tf_diffseg.training.optimizer import KernelDecayAdamW  # noqa: F401

_ROOT = pathlib.Path(__file__).parents[2]
_TRAIN = """
import runpy, sys
import tensorflow as tf

num_devices = int(sys.argv.pop(1))
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices
)
devices = tf.config.list_logical_devices
tf.config.list_logical_devices = lambda kind=None: devices(
    "CPU" if kind == "GPU" else kind
)
runpy.run_module("experiments.train", run_name="__main__")
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Volumes of three shapes: three or so to train on, the others to validate."""
    folder = tmp_path_factory.mktemp("data")
    split = {"train": 0.5, "validation": 0.5}
    shapes = [(width, 8, 8) for width in (8, 9, 10)]
    return cube_shards(folder, folder / "shards", split, num_cases=7, shapes=shapes)


def _train(num_devices, shards, model_dir, *flags):
    process = subprocess.run(
        [
            *(sys.executable, "-c", _TRAIN, str(num_devices)),
            *("--batch_size=2", "--patch_shape=8,8,8", "--num_channels=4"),
            *("--num_blocks=1", "--num_heads=0", "--validation_frequency=1"),
            *("--validation_pictures=0", "--warmup_steps=0", "--schedule=constant"),
            "--precision=float32",
            *(f"--data_dir={shards}", f"--model_dir={model_dir}", *flags),
        ],
        env=os.environ | {"PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        encoding="utf-8",
    )
    return process.returncode, process.stdout + process.stderr


@pytest.mark.slow
def test_two_devices_train_validate_and_resume_as_one(shards, tmp_path):
    """A batch of 3 over two devices, and validation cases that are no pairs."""
    for epochs in (1, 2):
        flags = ("--batch_size=3", f"--epochs={epochs}")
        code, output = _train(2, shards, tmp_path / "two", *flags)
        assert code == 0, output
    assert "2 device(s)" in output
    assert "ran out of data" not in output
    code, output = _train(1, shards, tmp_path / "one", "--batch_size=3", "--epochs=2")
    assert code == 0, output
    lines = [
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").open()]
        for run in ("one", "two")
    ]
    assert len(lines[0]) == 2
    for one, two in zip(*lines, strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-5)
    models = [
        keras.saving.load_model(tmp_path / run / "checkpoints" / "epoch-00002.keras")
        for run in ("one", "two")
    ]
    for one, two in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-4)


def test_what_two_devices_cannot_do_is_refused_by_its_flag(shards, tmp_path):
    code, output = _train(2, shards, tmp_path / "run", "--jit=on")
    assert code == 1
    assert "--jit=on needs one device, and 2 are to train" in output
    assert not (tmp_path / "run").exists()
