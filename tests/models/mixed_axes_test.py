"""Voxels see one another along an axis only if some size of the network mixes it."""

import numpy as np
import pytest

from tests.models.toy_network import random_unet, toy_inputs


@pytest.mark.parametrize("num_channels", [(4,), (4, 8)])
def test_slices_see_nothing_of_one_another_if_no_size_mixes_them(num_channels):
    # One resolution has no factor to another, so that the usual one says nothing.
    scale = {} if len(num_channels) == 1 else {"scale_factor": (2, 2, 1)}
    arguments = {"num_channels": num_channels, "num_heads": 1, **scale}
    network = random_unet(kernel_size=(3, 3, 1), **arguments)
    inputs = toy_inputs((8, 8, 3))
    before = np.asarray(network(inputs))
    changed = np.array(inputs["image"])
    changed[..., 2, :] *= 5.0
    after = np.asarray(network({**inputs, "image": changed}))
    np.testing.assert_allclose(before[..., :2, :], after[..., :2, :], atol=1e-5)
    assert np.abs(before[..., 2, :] - after[..., 2, :]).max() > 1e-3
