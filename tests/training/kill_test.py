"""SIGKILL at random moments: the resumed run ends as an undisturbed one, bitwise.

`TF_DIFFSEG_KILLS=20 TF_DIFFSEG_KILL_STEPS=1200 pytest tests/training/kill_test.py -s`
kills twenty times, and of runs that take minutes rather than seconds.
"""

import itertools
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

_KILLS = int(os.environ.get("TF_DIFFSEG_KILLS", "2"))
_STEPS = int(os.environ.get("TF_DIFFSEG_KILL_STEPS", "40"))  # Of each of three epochs.
_SCRIPT = """
import sys
import keras, numpy as np, tensorflow as tf
from tf_diffseg.training import KernelDecayAdamW, mirrored_strategy
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.fit import fit

folder, result, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(1)
with mirrored_strategy().scope():
    model = DiffusionUNet3D(
        2, num_channels=(4,), num_heads=0, dropout=0.1, timestep_sampling="loss",
        strategy="self_conditioning",
    )
    model.compile(
        KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.9), accumulation_steps=2
    )

def batch(step):
    seed = tf.stack([step, 0])
    label = tf.random.stateless_uniform([2, 8, 8, 8], seed, 0, 2, tf.int32)
    return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}

def make_dataset(epoch, step, context):
    print("training", flush=True)
    return tf.data.Dataset.range(epoch * steps + step, tf.int64.max).map(batch)

fit(
    model, make_dataset, folder, 3, steps, 2, checkpoint_steps=steps // 6 + 1,
    validation_dataset=tf.data.Dataset.range(3).map(batch),
)
np.savez(result, *map(np.asarray, [*model.weights, *model.optimizer.variables]))
"""


def _run(folder, result, steps, kill_after=None):
    """Runs the script; returns whether it came to its end, and how long it trained."""
    root = str(pathlib.Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(folder), str(result), str(steps)],
        env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    for line in process.stdout:
        if line.strip() == "training":
            break
    began = time.monotonic()
    timer = kill_after and threading.Timer(kill_after, process.kill)
    if timer:
        timer.start()
    _, errors = process.communicate()
    if timer:
        timer.cancel()
    assert process.returncode in (0, -9), errors
    return process.returncode == 0, time.monotonic() - began


def _run_killed(folder, result, steps, seconds, most_kills, moments):
    """Runs the script to its end, killed and started again; returns how often."""
    kills = 0
    while True:
        kill_after = moments.uniform(0.0, seconds) if kills < most_kills else None
        if _run(folder, result, steps, kill_after)[0]:
            return kills
        kills += 1


@pytest.mark.parametrize(
    "most_kills, steps", [(1, 4), pytest.param(_KILLS, _STEPS, marks=pytest.mark.slow)]
)
def test_a_killed_run_ends_bitwise_as_an_undisturbed_one(tmp_path, most_kills, steps):
    whole = tmp_path / "whole.npz"
    done, seconds = _run(tmp_path / "whole", whole, steps)
    assert done
    kills, moments = 0, random.Random()
    for attempt in itertools.count():  # One may end before it was to be killed.
        if kills == most_kills:
            break
        folder = tmp_path / f"killed-{attempt}"
        killed = folder.with_suffix(".npz")
        kills += _run_killed(
            folder, killed, steps, seconds, most_kills - kills, moments
        )
        with np.load(whole) as expected, np.load(killed) as found:
            assert expected.files == found.files
            for name in expected.files:
                np.testing.assert_array_equal(found[name], expected[name])
    print(f"{kills} kills of a run that trains for {seconds:.0f} s")
