"""Which devices train."""

import tensorflow as tf


def mirrored_strategy(devices=None):
    """A `MirroredStrategy` over all GPUs, or over the CPU where there is none.

    One device is trained by the same code as many.

    Args:
        devices: names as "GPU:0"; None for all GPUs.

    Returns:
        The strategy.
    """
    if devices is None:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [device.name for device in gpus] or ["CPU:0"]
    return tf.distribute.MirroredStrategy(devices)
