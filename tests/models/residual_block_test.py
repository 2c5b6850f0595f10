"""The residual block of the U-Net."""

import numpy as np
import pytest

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import ResidualBlock3D

_CHANGED = {
    "channels": 6,
    "kernel_size": (3, 1, 3),
    "axes": (1, 3),
    "dropout": 0.25,
    "remat": True,
    "norm": "channel",
}


def _features(channels=4, batch_size=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch_size, 5, 4, 3, channels)).astype(np.float32)


def _time_embedding(batch_size=2):
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch_size, 3)).astype(np.float32)


@pytest.mark.parametrize("channels, with_time", [(4, True), (6, False)])
def test_contract(channels, with_time, tmp_path):
    inputs = [_features(channels), _time_embedding()][: 1 + with_time]
    assert_layer_contract(ResidualBlock3D, _CHANGED, inputs, tmp_path)


def test_is_the_identity_if_the_second_convolution_is_zero():
    block = ResidualBlock3D(4)
    block.build((None, None, None, None, 4))
    randomize_weights(block)
    block.conv_out.kernel.assign(np.zeros(block.conv_out.kernel.shape))
    np.testing.assert_array_equal(outputs_of(block, _features()), _features())


def test_projects_the_shortcut_only_if_channels_differ():
    same, other = ResidualBlock3D(4), ResidualBlock3D(6)
    same(_features()), other(_features())
    assert same.projection is None
    assert other.projection.kernel.shape == (1, 1, 1, 4, 6)


def test_time_changes_only_the_output_of_its_example():
    block = ResidualBlock3D(4)
    block.build(_features().shape, _time_embedding().shape)
    randomize_weights(block)
    before = outputs_of(block, _features(), _time_embedding())
    changed = _time_embedding() + np.array([[0.0], [1.0]], np.float32)
    after = outputs_of(block, _features(), changed)
    np.testing.assert_array_equal(after[0], before[0])
    assert np.abs(after[1] - before[1]).min(axis=(0, 1, 2)).max() > 1e-3


def test_drops_features_in_training_only():
    block = ResidualBlock3D(4, dropout=0.5)
    first, second = (outputs_of(block, _features(), training=False) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.any(outputs_of(block, _features(), training=True) != first)
