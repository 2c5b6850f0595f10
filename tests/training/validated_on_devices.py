"""Holds the validation of windows on several devices to that on one.

Devices are set up once a process, so this is a program: its arguments are, as JSON,
the paths of shards, the numbers of devices, the shape of the windows and the arguments
of the model.
"""

import functools
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.training.toys import SMALL, TWO_STEPS, batches_from
from tf_diffseg.data.validation_pipeline import validation_dataset
from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.fit import fit
from tf_diffseg.training.flat_network import flat_network


def _scores(folder, shards, num_devices, window_shape, arguments):
    """Dict of the scores that `fit` reports after an epoch that learns nothing."""
    # Strategies of different numbers of devices need groups of their own.
    tf.distribute.MirroredStrategy._collective_key_base = 1000 * num_devices
    strategy = mirrored_strategy([f"CPU:{i}" for i in range(num_devices)])
    assert strategy.num_replicas_in_sync == num_devices
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = flat_network(3, **SMALL | TWO_STEPS | arguments)
        model.compile(keras.optimizers.SGD(0.0))
    validate = functools.partial(
        validation_dataset,
        shards,
        tuple(window_shape),
        2 * np.prod(window_shape),
        ignored_id=model.ignore_label,
    )
    history = _History()
    fit(
        model,
        functools.partial(batches_from, steps_per_epoch=1),
        f"{folder}/{num_devices}",
        epochs=1,
        steps_per_epoch=1,
        batch_size=2,
        validation_dataset=validate,
        callbacks=[history],
    )
    return history.scores


class _History(keras.callbacks.Callback):
    """Keeps the scores of the last validation."""

    def on_epoch_end(self, epoch, logs=None):
        names = [name for name in logs if name.startswith("val_")]
        self.scores = {name: float(logs[name]) for name in names}


def main():
    """Compares; an AssertionError names what differs."""
    folder, *texts = sys.argv[1:]
    shards, device_counts, window_shape, arguments = map(json.loads, texts)
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * max(device_counts)
    tf.config.set_logical_device_configuration(cpu, devices)
    expected = _scores(folder, shards, 1, window_shape, arguments)
    assert 0.0 < expected["val_dice"] < 1.0, expected
    for num_devices in device_counts:
        found = _scores(folder, shards, num_devices, window_shape, arguments)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            message = f"{name} of {num_devices} devices"
            np.testing.assert_allclose(found[name], value, 1e-4, err_msg=message)
    print("as one device")


if __name__ == "__main__":
    main()
