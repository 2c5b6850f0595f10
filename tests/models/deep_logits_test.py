"""Logits of coarser resolutions: whose they are, their shapes, and what stays."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models.toy_network import random_unet, toy_inputs
from tf_diffseg.models import UNet3D

_THREE_LEVELS = {"num_channels": (4, 6, 8), "deep_supervision": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_channels": 0},
        {"mask_branch": (4,), "mask_output": "logits"},
        {"mask_branch": (4, 4), "dtype": "mixed_bfloat16"},
        {"mask_channels": 0, "patch_size": (2, 1, 1), "scale_factor": (2, 1, 2)},
    ],
    ids=str,
)
def test_deep_logits_are_of_the_image_and_beside_those_of_the_call(changes):
    network = random_unet(**_THREE_LEVELS, **changes)
    inputs = toy_inputs((7, 5, 3), 2, network.mask_channels)
    image = inputs["image"]

    found, deep = network.with_deep_logits(image)

    expected = network.encode(image) if network.mask_channels else network(inputs)
    for one, other in zip(*map(tf.nest.flatten, (found, expected)), strict=True):
        np.testing.assert_array_equal(one, other)
    multiple = np.array(network.shape_multiple)
    padded = -(-np.array([7, 5, 3]) // multiple) * multiple
    for each, factor in zip(deep, network.deep_factors, strict=True):
        assert tuple(each.shape) == (2, *np.floor_divide(padded, factor), 2)
        assert each.dtype == tf.float32
    moved = network.with_deep_logits(image[:, ::-1])[1]
    assert np.abs(moved[0] - deep[0]).max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [{"mask_channels": 0}, {"mask_branch": (4,), "mask_output": "logits"}],
    ids=str,
)
def test_deep_supervision_changes_no_other_layer(changes):
    plain = random_unet(num_channels=(4, 6, 8), **changes)
    network = UNet3D(**plain.get_config() | {"deep_supervision": 2})
    own = {weight.path: weight for weight in network.weights}
    for weight in plain.weights:
        own.pop(weight.path).assign(weight)
    assert {path.split("/")[0] for path in own} == {
        "deep_1_head",
        "deep_2_head",
    }
    inputs = toy_inputs((7, 5, 3), mask_channels=plain.mask_channels)
    np.testing.assert_array_equal(network(inputs), plain(inputs))
    assert plain.with_deep_logits(inputs["image"])[1] == []
    outer = keras.Model(*_wrapped(network))
    np.testing.assert_array_equal(outer(inputs), plain(inputs))


def _wrapped(network):
    """Inputs and output of a functional model around a network."""
    inputs = {
        each.name: keras.Input(each.shape[1:], name=each.name)
        for each in network.inputs
    }
    return inputs, network(inputs)
