"""A U-Net small enough to run in a test, and inputs for it."""

import functools

import keras
import numpy as np

from tf_diffseg.models import UNet3D


def toy_unet(**changes):
    """A `UNet3D` of two resolutions that takes a noisy mask of two classes."""
    channels = {"out_channels": 2, "mask_channels": 2, "num_channels": (4, 8)}
    return UNet3D(**(channels | changes))


@functools.cache
def random_unet(**changes):
    """A `toy_unet` with random weights; tests share it and must not change it."""
    network = toy_unet(**changes)
    randomize_weights(network)
    return network


def toy_inputs(shape, batch_size=1, mask_channels=2, seed=0):
    """Random inputs of a U-Net, float32 arrays, with times spread over (0, 1]."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(batch_size, *shape, 1)).astype(np.float32)
    if not mask_channels:
        return {"image": image}
    x_t = rng.normal(size=(batch_size, *shape, mask_channels)).astype(np.float32)
    t = np.linspace(1.0, 0.2, batch_size, dtype=np.float32)
    return {"image": image, "x_t": x_t, "t": t}


def randomize_weights(layer, seed=0, scale=0.3):
    """Adds noise to all weights of a built layer or model.

    Some weights start at zero, above all those by which the time modulates the norms: a
    new network gives the same output for all times, and a test would not see the time.
    """
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign(value + rng.normal(scale=scale, size=value.shape))


def outputs_of(layer, *inputs, **keywords):
    """Runs a layer or model; returns a numpy array, float64 for half precision."""
    outputs = layer(*inputs, **keywords)
    if keras.backend.standardize_dtype(outputs.dtype) != "float32":
        outputs = keras.ops.cast(outputs, "float64")
    return keras.ops.convert_to_numpy(outputs)
