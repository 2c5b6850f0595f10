"""Holds the results of several devices to those of one.

Devices are set up once a process, so this is a program: its arguments are, as JSON,
the numbers of devices, the pairs (number of cases, batch size), the arguments of the
model and its accumulation_steps.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.training.toys import SMALL, arrays
from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.flat_network import flat_network


class _BatchLogs(keras.callbacks.Callback):
    """Keeps the loss and the gradient norm after each step."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append([float(logs[name]) for name in ("loss", "gradient_norm")])


def _model(num_devices, arguments, accumulation_steps):
    # Strategies of different numbers of devices need groups of their own.
    tf.distribute.MirroredStrategy._collective_key_base = 1000 * num_devices
    strategy = mirrored_strategy([f"CPU:{i}" for i in range(num_devices)])
    assert strategy.num_replicas_in_sync == num_devices
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = flat_network(3, **SMALL | arguments)
        # Clipping the gradient of each device would differ from clipping the batch's.
        model.compile(
            keras.optimizers.SGD(0.1, momentum=0.5, global_clipnorm=0.5),
            accumulation_steps=accumulation_steps,
        )
        model.optimizer.build(model.trainable_variables)
    return model


def _results(model, num_cases, batch_size):
    """Dict of all that training, scoring and predicting give."""
    generator = np.random.default_rng(0)
    image = generator.normal(size=(num_cases, 4, 4, 4, 1)).astype(np.float32)
    label = generator.integers(0, 3, (num_cases, 4, 4, 4))
    if model.ignore_label is not None:
        label[:, 0] = label[num_cases // 2] = model.ignore_label
    data = tf.data.Dataset.from_tensor_slices({"image": image, "label": label})
    data = data.batch(batch_size)
    batches = _BatchLogs()
    fitted = model.fit(
        data,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=data,
        callbacks=[batches],
    )
    scores = model.evaluate(data, verbose=0, return_dict=True)
    probabilities = model.predict(image, batch_size=batch_size, verbose=0)
    assert probabilities.shape == (num_cases, 4, 4, 4, 3)
    weights = {f"weight {i}": w for i, w in enumerate(arrays(model.weights))}
    results = {"batches": batches.logs, "probabilities": probabilities}
    return fitted.history | scores | results | weights


def _all_results(num_devices, cases_and_batches, arguments, accumulation_steps):
    """Yields the results for each pair, each time from the same weights on."""
    model = _model(num_devices, arguments, accumulation_steps)
    variables = [*model.weights, *model.optimizer.variables]
    initial = arrays(variables)
    for num_cases, batch_size in cases_and_batches:
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        yield _results(model, num_cases, batch_size)


def main():
    """Compares; an AssertionError names what differs."""
    device_counts, pairs, arguments, accumulation_steps = map(json.loads, sys.argv[1:])
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * max(device_counts)
    tf.config.set_logical_device_configuration(cpu, devices)
    expected = list(_all_results(1, pairs, arguments, accumulation_steps=1))
    for num_devices in device_counts:
        found = _all_results(num_devices, pairs, arguments, accumulation_steps)
        for one, other, pair in zip(expected, found, pairs, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                message = f"{name} of {num_devices} devices, cases and batch {pair}"
                np.testing.assert_allclose(
                    other[name], one[name], rtol=1e-4, atol=1e-5, err_msg=message
                )
    print("as one device")


if __name__ == "__main__":
    main()
