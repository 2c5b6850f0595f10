"""1 to 4 devices, batches and numbers of cases that do not fit: always as one device.

Devices are set up once a process, so each test runs in a process of its own.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

_SCRIPT = """
import json, sys
import keras, numpy as np, tensorflow as tf
from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.flat_network import flat_network

device_counts, cases_and_batches, arguments, accumulation_steps = map(
    json.loads, sys.argv[1:]
)
cpu = tf.config.list_physical_devices("CPU")[0]
configuration = [tf.config.LogicalDeviceConfiguration()] * max(device_counts)
tf.config.set_logical_device_configuration(cpu, configuration)


def build(num_devices):
    # Strategies of several numbers of devices need groups of their own.
    tf.distribute.MirroredStrategy._collective_key_base = 1000 * num_devices
    strategy = mirrored_strategy([f"CPU:{i}" for i in range(num_devices)])
    assert strategy.num_replicas_in_sync == num_devices
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = flat_network(3, num_channels=(4,), num_heads=0, **arguments)
        # Gradients of single devices are clipped otherwise than that of the batch.
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.5, global_clipnorm=0.5),
            accumulation_steps=accumulation_steps,
        )
        model.optimizer.build(model.trainable_variables)
    return model


class Batches(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append([float(logs[name]) for name in ("loss", "gradient_norm")])


def numbers(model, num_cases, batch_size):
    generator = np.random.default_rng(0)
    image = generator.normal(size=(num_cases, 4, 4, 4, 1)).astype(np.float32)
    label = generator.integers(0, 3, (num_cases, 4, 4, 4))
    if "ignore_label" in arguments:
        label[:, 0] = arguments["ignore_label"]
        label[num_cases // 2] = arguments["ignore_label"]
    data = tf.data.Dataset.from_tensor_slices({"image": image, "label": label})
    data = data.batch(batch_size)
    batches = Batches()
    history = model.fit(
        data, epochs=2, shuffle=False, verbose=0, validation_data=data,
        callbacks=[batches],
    ).history
    scores = model.evaluate(data, verbose=0, return_dict=True)
    probabilities = model.predict(image, batch_size=batch_size, verbose=0)
    assert probabilities.shape == (num_cases, 4, 4, 4, 3)
    return {
        **history, **scores, "batches": batches.logs, "probabilities": probabilities,
        **{f"weight {i}": np.asarray(w) for i, w in enumerate(model.weights)},
    }


def run(num_devices):
    model = build(num_devices)
    variables = [*model.weights, *model.optimizer.variables]
    initial = [np.asarray(variable) for variable in variables]
    for num_cases, batch_size in cases_and_batches:
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        yield numbers(model, num_cases, batch_size)


expected = list(run(1))
for num_devices in device_counts:
    found = run(num_devices)
    for one, other, combination in zip(expected, found, cases_and_batches, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(
                other[name], one[name], rtol=1e-4, atol=1e-5,
                err_msg=f"{name} of {num_devices} devices, cases, batch {combination}",
            )
print("as one device")
"""


def _check(device_counts, cases_and_batches, arguments=None, accumulation_steps=1):
    root = str(pathlib.Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    given = (device_counts, cases_and_batches, arguments or {}, accumulation_steps)
    process = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *map(json.dumps, given)],
        env=os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stderr[-4000:]
    assert process.stdout.splitlines()[-1] == "as one device"


# (cases, batch size): last batches of all sizes, and batches smaller than the devices.
_MOST = [(3, 2), (7, 4), (1, 1)]
_ALL = [(cases, batch) for cases in range(1, 10) for batch in range(1, 9)]


def test_three_devices_train_score_and_predict_as_one():
    # Shares of 1, 1, 1 and of 1, 1, 0; the table below has the rest.
    _check([3], [(5, 3)], {"timestep_sampling": "loss", "dropout": 0.3}, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"timestep_sampling": "loss", "dropout": 0.3},
        {"strategy": "supervised", "remat": True, "dropout": 0.3},
        {"strategy": "self_conditioning", "sampler": "ddpm", "norm": "channel"},
        {"ignore_label": 3, "timestep_sampling": "loss"},
        {"focal_weight": 1.0, "dice_weight": 0.0},
    ],
    ids=str,
)
def test_up_to_four_devices_train_score_and_predict_as_one(arguments):
    few = [*_MOST, (5, 3), (4, 6)]
    _check([2, 3, 4], _ALL if not arguments else few, arguments)
