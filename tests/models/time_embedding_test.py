"""The time embedding agrees with sinusoids computed with numpy."""

import numpy as np
import pytest

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import TimeEmbedding

_TIMES = np.array([0.001, 0.2, 0.7503, 1.0], np.float32)


def _sinusoids(t, units, max_period, time_scale):
    frequencies = max_period ** -(np.arange(units // 2) / (units // 2))
    angles = time_scale * t.astype(np.float64)[:, np.newaxis] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _without_dense_layers(layer):
    """Turns both dense layers into identities: the layer returns its sinusoids."""
    layer.hidden.activation = None
    identity = np.eye(layer.units)
    layer.set_weights([identity, np.zeros(layer.units)] * 2)
    return layer


def test_contract(tmp_path):
    arguments = {"units": 6, "max_period": 50.0, "time_scale": 3.0}
    assert_layer_contract(TimeEmbedding, arguments, [_TIMES], tmp_path)


@pytest.mark.parametrize("max_period, time_scale", [(10_000.0, 1_000.0), (50.0, 3.0)])
def test_embeds_sinusoids(max_period, time_scale):
    layer = TimeEmbedding(8, max_period, time_scale)
    layer.build((None,))
    expected = _sinusoids(_TIMES, 8, max_period, time_scale)
    # float32 holds an angle of 1000 with a precision of 6e-5.
    np.testing.assert_allclose(
        outputs_of(_without_dense_layers(layer), _TIMES), expected, atol=1e-4
    )


def test_dense_layers_have_a_silu_between_them():
    layer = TimeEmbedding(4)
    layer.build((None,))
    randomize_weights(layer)
    kernel, bias, out_kernel, out_bias = layer.get_weights()
    hidden = _sinusoids(_TIMES, 4, 10_000.0, 1_000.0) @ kernel + bias
    expected = hidden / (1.0 + np.exp(-hidden)) @ out_kernel + out_bias
    np.testing.assert_allclose(outputs_of(layer, _TIMES), expected, atol=1e-3)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_the_phase(dtype):
    # 0.7503 in half precision is off by up to 2e-3, an angle of 2 radians.
    layer = TimeEmbedding(8, dtype=dtype)
    layer.build((None,))
    expected = _sinusoids(_TIMES, 8, 10_000.0, 1_000.0)
    np.testing.assert_allclose(
        outputs_of(_without_dense_layers(layer), _TIMES), expected, atol=5e-3
    )


def test_refuses_odd_units():
    with pytest.raises(ValueError, match="units must be even, got 5"):
        TimeEmbedding(5)
