"""Self-attention over voxels."""

import numpy as np
import pytest

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import SelfAttention3D


def _features(shape=(2, 4, 3, 2, 6)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _attention(num_heads=2, axes=(1, 2, 3)):
    layer = SelfAttention3D(num_heads, axes)
    layer.build((None, None, None, None, 6))
    randomize_weights(layer)
    return layer


def test_contract(tmp_path):
    arguments = {"num_heads": 3, "axes": (1, 3), "remat": True, "norm": "channel"}
    assert_layer_contract(SelfAttention3D, arguments, [_features()], tmp_path)


def test_is_attention_over_all_voxels_plus_the_input():
    layer = _attention()
    inputs = ["query", "key", "value"]
    kernels = {}
    for name in [*inputs, "output"]:
        dense = getattr(layer.attention, f"_{name}_dense")
        kernels[name] = [weight.numpy().astype(np.float64) for weight in dense.weights]
    tokens = outputs_of(layer.norm_layer, _features()).reshape(2, -1, 6)
    query, key, value = (
        np.einsum("bnc,chd->bhnd", tokens, kernels[name][0])
        + kernels[name][1][:, np.newaxis]
        for name in inputs
    )
    scores = np.einsum("bhnd,bhmd->bhnm", query, key) / np.sqrt(3)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = np.einsum("bhnm,bhmd->bnhd", weights, value)
    mixed = np.einsum("bnhd,hdc->bnc", mixed, kernels["output"][0])
    expected = _features() + (mixed + kernels["output"][1]).reshape(_features().shape)
    np.testing.assert_allclose(outputs_of(layer, _features()), expected, atol=1e-5)


@pytest.mark.parametrize("axes", [(1, 2, 3), (1, 3), (2,)])
def test_voxels_see_one_another_only_along_the_axes(axes):
    layer = _attention(axes=axes)
    changed = _features()
    changed[0, 1, 1, 1] = 9.0, -9.0, 5.0, 0.0, 1.0, -2.0
    difference = np.abs(outputs_of(layer, changed) - outputs_of(layer, _features()))
    # Along an axis that does not mix, only the changed place differs.
    seen = [slice(None) if axis in axes else 1 for axis in (1, 2, 3)]
    expected = np.zeros(_features().shape[:4], bool)
    expected[(0, *seen)] = True
    np.testing.assert_array_equal(difference.max(axis=-1) > 0, expected)


def test_refuses_channels_that_the_heads_do_not_divide():
    layer = SelfAttention3D(num_heads=4)
    with pytest.raises(ValueError, match="num_heads=4 does not divide the 6 channels"):
        layer.build((None, 2, 2, 2, 6))
