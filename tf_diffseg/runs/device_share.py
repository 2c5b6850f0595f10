"""Shares of a batch on several devices. Loads no TensorFlow."""


def examples_of_device(config, num_devices):
    """Largest number of examples of a batch of a `TrainConfig` on one device."""
    return -(-config.batch_size // num_devices)
