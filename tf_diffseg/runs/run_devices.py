"""Devices that train a run, and their shares of a batch."""

import tensorflow as tf

from tf_diffseg.errors import InputError
from tf_diffseg.runs.device_share import examples_of_device
from tf_diffseg.training.distribution.devices import training_strategy
from tf_diffseg.training.distribution.multi_worker import is_multi_worker


def strategy_of(config, num_devices=None):
    """`tf.distribute.Strategy` of a `TrainConfig` on `num_devices` GPUs, None for all.

    It also makes TensorFlow deterministic if the config says so.

    Raises:
        InputError: there are fewer devices, they cannot share a batch, or values of
            the config exclude one another.
    """
    if config.deterministic:
        if config.jit == "on":
            raise InputError(
                "jit=on does not go with `deterministic`: XLA lacks operations that "
                "repeat bit by bit",
                argument="jit",
            )
        tf.config.experimental.enable_op_determinism()
    try:
        strategy = training_strategy(num_devices)
    except ValueError as error:
        is_of_argument = str(error).startswith("num_devices")
        argument = "num_devices" if is_of_argument else None
        raise InputError(str(error), argument=argument) from error
    if config.jit == "on" and strategy.num_replicas_in_sync > 1:
        raise InputError(
            f"jit=on needs one device, and {strategy.num_replicas_in_sync} are to "
            "train: XLA compiles no step that several share",
            argument="jit",
        )
    _check_batch_size(config, strategy)
    return strategy


def _check_batch_size(config, strategy):
    num_replicas = strategy.num_replicas_in_sync
    if is_multi_worker(strategy) and config.batch_size % num_replicas:
        raise InputError(
            f"batch_size={config.batch_size} does not divide over the {num_replicas} "
            "devices of all workers",
            argument="batch_size",
        )
    of_device = examples_of_device(config, num_replicas)
    if config.accumulation_steps > of_device:
        raise InputError(
            f"accumulation_steps={config.accumulation_steps} is more than the "
            f"{of_device} example(s) that a device has of "
            f"`batch_size={config.batch_size}`",
            argument="accumulation_steps",
        )
    if config.batch_size < num_replicas:
        idle = num_replicas - config.batch_size
        print(
            f"batch_size={config.batch_size} leaves {idle} of {num_replicas} devices "
            "without work",
            flush=True,
        )
