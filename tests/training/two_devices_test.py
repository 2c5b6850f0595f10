"""Two devices with half of a batch each, against one device with all of it.

Devices are set up once a process, so each case runs in a process of its own.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

_SCRIPT = """
import json, sys
import keras, numpy as np, tensorflow as tf
from tf_diffseg.training.devices import mirrored_strategy
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D

num_devices, arguments = int(sys.argv[1]), json.loads(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
configuration = [tf.config.LogicalDeviceConfiguration()] * num_devices
tf.config.set_logical_device_configuration(cpu, configuration)
strategy = mirrored_strategy([f"CPU:{i}" for i in range(num_devices)])
assert strategy.num_replicas_in_sync == num_devices
keras.utils.set_random_seed(0)
with strategy.scope():
    model = DiffusionUNet3D(3, num_channels=(4, 8), num_heads=2, **arguments)
    model.compile(keras.optimizers.SGD(0.1))
generator = np.random.default_rng(0)
image = generator.normal(size=(8, 8, 8, 8, 1)).astype(np.float32)
label = generator.integers(0, 3, (8, 8, 8, 8))
dataset = tf.data.Dataset.from_tensor_slices({"image": image, "label": label}).batch(4)
history = model.fit(dataset, epochs=2, shuffle=False, verbose=0).history
scores = model.evaluate(dataset, verbose=0, return_dict=True)
np.savez(sys.argv[3], *[np.asarray(weight) for weight in model.trainable_variables])
print(json.dumps([*history["loss"], scores["dice"], scores["dice_class_1"]]))
"""


def _train(num_devices, arguments, path):
    root = str(pathlib.Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(num_devices), json.dumps(arguments), path],
        env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stderr
    with np.load(path) as weights:
        arrays = [weights[name] for name in weights.files]
    return json.loads(process.stdout.splitlines()[-1]), arrays


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"strategy": "supervised", "remat": True},
        {"strategy": "self_conditioning", "timestep_sampling": "loss"},
    ],
    ids=str,
)
def test_two_devices_train_as_one(arguments, tmp_path):
    figures, weights = _train(1, arguments, str(tmp_path / "one.npz"))
    figures_two, weights_two = _train(2, arguments, str(tmp_path / "two.npz"))
    np.testing.assert_allclose(figures_two, figures, rtol=1e-4)
    for one, two in zip(weights, weights_two, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5)
