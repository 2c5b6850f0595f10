"""Checks of a compiled model before it takes a step."""

import numbers

import keras
import tensorflow as tf

# Keras has no public name for it.
from keras.src.backend.common import global_state

from tf_diffseg.training.saving.optimizer_state import (
    trained_variables,
    uses_averages,
)

HDF5_REFUSED = (
    "HDF5 files cannot hold the whole model. Name it .keras, or save_weights to a file "
    "that ends in .weights.h5"
)


def compiles_with_xla():
    """Whether this machine has a device that is faster with XLA."""
    devices = tf.config.list_physical_devices()
    return any(device.device_type in ("GPU", "TPU") for device in devices)


def check_compile(optimizer, jit_compile, accumulation_steps, several, others):
    """Raises ValueError if a model cannot be compiled with these arguments.

    Args:
        optimizer: a Keras optimizer, its name or its config.
        jit_compile: whether to use XLA, or "auto".
        accumulation_steps: parts of a device's batch.
        several: whether there are several devices.
        others: dict of the other arguments of `compile`.
    """
    is_whole = isinstance(accumulation_steps, numbers.Integral)
    if not is_whole or accumulation_steps < 1:
        raise ValueError(
            "accumulation_steps must be a whole number and at least 1, got "
            f"{accumulation_steps}"
        )
    for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        if others.get(name) not in (None, [], {}):
            raise ValueError(
                f"{name} cannot be given: Dice and the loss are built in, and "
                "the model's arguments choose and weigh its terms"
            )
    refuse_gradient_accumulation(optimizer)
    if several and others.get("steps_per_execution", 1) != 1:
        raise ValueError(
            "steps_per_execution must be 1 on several devices: Keras loses what a step "
            "is fed with"
        )
    if several and jit_compile is True:
        raise ValueError(
            "jit_compile=True needs one device: XLA compiles no step that several share"
        )


def refuse_hdf5():
    """Raises ValueError if Keras is writing a model to an HDF5 file.

    `keras.saving.save_model` does not tell the model in any other way.
    """
    if global_state.get_global_attribute("use_legacy_config"):
        raise ValueError(HDF5_REFUSED)


def refuse_gradient_accumulation(optimizer):
    """Raises ValueError for an optimizer that accumulates gradients by itself.

    All parts of a batch would have the same random draws.

    Args:
        optimizer: a Keras optimizer, its name or its config.
    """
    if isinstance(optimizer, dict):
        optimizer = keras.optimizers.get(optimizer)
    while optimizer is not None:
        steps = getattr(optimizer, "gradient_accumulation_steps", None)
        if steps:
            raise ValueError(
                f"the optimizer's gradient_accumulation_steps={steps} is not "
                "supported: all its parts would train on the same time steps and "
                f"noise. Use batches of {steps} times the size, and "
                f"compile(optimizer, accumulation_steps={steps})"
            )
        optimizer = getattr(optimizer, "inner_optimizer", None)


def check_trained(model):
    """Checks that a compiled model's optimizer fits the layers that are not frozen.

    If layers were frozen after a step was traced, the next step is traced again.

    Raises:
        ValueError: no layer is left to train, or the optimizer fits other layers.
    """
    refuse_gradient_accumulation(model.optimizer)
    trained = tuple(map(id, model.trainable_variables))
    if not trained:
        raise ValueError(
            "no layer is left to train: all are frozen, so set trainable = True on some"
        )
    optimizer = model.optimizer
    known = tuple(map(id, trained_variables(optimizer)))
    same = trained == known
    fits = same if uses_averages(optimizer) else set(trained) <= set(known)
    if optimizer.built and not fits:
        raise ValueError(
            "layers were frozen or unfrozen since the optimizer was made, and it does "
            "not fit any more: compile the model again, with a new optimizer"
        )
    if model.traced_for != trained:
        model.train_function = None
        model.traced_for = trained
