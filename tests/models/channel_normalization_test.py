"""Channel normalisation agrees with numpy."""

import numpy as np
import pytest

from tests.models.layer_contract import assert_layer_contract, modulated_layer
from tests.models.toy_network import outputs_of
from tf_diffseg.models import ChannelNormalization


def _features(shape=(2, 5, 4, 9, 6)):
    return np.random.default_rng(0).normal(1.0, 3.0, shape).astype(np.float32)


def _reference(features, scale=1.0, shift=0.0):
    features = features.astype(np.float64)
    mean_square = np.mean(features**2, axis=-1, keepdims=True)
    return features / np.sqrt(mean_square) * scale + shift


@pytest.mark.parametrize("inputs", [[_features()], [_features(), np.ones((2, 3), "f")]])
def test_contract(inputs, tmp_path):
    arguments = {"epsilon": 0.5}
    assert_layer_contract(ChannelNormalization, arguments, inputs, tmp_path)


def test_a_new_layer_normalises():
    outputs = outputs_of(ChannelNormalization(), _features())
    np.testing.assert_allclose(outputs, _reference(_features()), atol=1e-4)


def test_condition_modulates_scale_and_shift_of_its_example():
    layer, condition, scale, shift = modulated_layer(ChannelNormalization(1e-9), 6)
    np.testing.assert_allclose(
        outputs_of(layer, _features(), condition),
        _reference(_features(), scale, shift),
        atol=1e-4,
    )


def test_a_voxel_does_not_see_its_neighbours():
    features, layer = _features(), ChannelNormalization()
    whole = outputs_of(layer, features)
    part = outputs_of(layer, features[:1, 1:3, :, 2:5])
    np.testing.assert_array_equal(part, whole[:1, 1:3, :, 2:5])


def test_zeros_become_the_shift():
    layer = ChannelNormalization()
    layer.build((None, None, None, None, 2))
    layer.beta.assign([1.0, -2.0])
    features = np.zeros((1, 4, 4, 4, 2), np.float32)
    expected = np.broadcast_to([1.0, -2.0], features.shape)
    np.testing.assert_array_equal(outputs_of(layer, features), expected)


def test_squares_are_float32_under_mixed_float16():
    features = _features() * 300.0  # The square of 300 is beyond float16.
    layer = ChannelNormalization(dtype="mixed_float16")
    expected = _reference(features.astype(np.float16))
    np.testing.assert_allclose(outputs_of(layer, features), expected, atol=2e-3)
