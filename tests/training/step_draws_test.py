"""Draws of two devices; they are set up once a process, so in one of their own."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

_SCRIPT = """
import json
import numpy as np, tensorflow as tf
from tf_diffseg.training import step_draws
from tf_diffseg.training.distribution.replica_share import (
    gather_from_replicas, share_of_replica)
from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D, run_network

cpu = tf.config.list_physical_devices("CPU")[0]
configuration = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, configuration)
strategy = mirrored_strategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = SegmentationUNet3D(2, num_channels=(4,), dropout=0.5)
image = tf.random.stateless_normal([1, 4, 4, 4, 1], [0, 0])

def draw(step):
    seeds = step_draws.step_seeds(7, step)
    # One example on the first replica and two on the second.
    size = 1 + tf.distribute.get_replica_context().replica_id_in_sync_group
    share = share_of_replica(tf.convert_to_tensor(size))
    examples = step_draws.example_seeds(seeds.noise, share)
    all_values = gather_from_replicas(tf.cast(examples, tf.float32), share)
    dropout_seeds = step_draws.example_seeds(seeds.dropout, share)
    logits = run_network(model, {"image": image}, dropout_seeds=dropout_seeds[:1])
    more = {"examples": examples, "gathered": all_values, "logits": logits}
    return {**seeds._asdict(), **more}

@tf.function
def run(step):
    found = strategy.run(draw, args=(step,))
    return {name: strategy.experimental_local_results(v) for name, v in found.items()}

found = [run(tf.constant(step)) for step in (0, 1, 0)]
found = [{n: [np.ravel(v).tolist() for v in vs] for n, vs in f.items()} for f in found]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def draws():
    """Of steps 0, 1 and 0 again: dict from name to the values of two replicas."""
    root = str(pathlib.Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_a_step_is_repeated_and_steps_differ(draws):
    first, second, again = draws
    assert first == again
    assert all(first[name] != second[name] for name in first)


def test_replicas_draw_different_noise(draws):
    one, two = draws[0]["examples"]
    assert not set(one) & set(two)


def test_the_network_drops_differently(draws):
    one, two = draws[0]["logits"]
    assert one != two


@pytest.mark.parametrize("name", ["timesteps", "noise", "dropout", "gathered"])
def test_what_is_drawn_for_all_is_the_same_on_all(draws, name):
    one, two = draws[0][name]
    assert one == two


def test_shares_make_up_the_whole(draws):
    shares = draws[0]["examples"]
    assert draws[0]["gathered"][0] == pytest.approx(shares[0] + shares[1], rel=1e-6)
    assert len(set(shares[0] + shares[1])) == 3
