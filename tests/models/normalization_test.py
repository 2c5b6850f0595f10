"""Channel and instance normalisation agree with numpy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import (
    ChannelNormalization,
    InstanceNormalization,
    fused_normalization,
)

_ALL_AXES = (1, 2, 3)


def _features(shape=(2, 5, 4, 9, 6), mean=1.0):
    return np.random.default_rng(0).normal(mean, 3.0, shape).astype(np.float32)


def _instance_normalized(features, axes=_ALL_AXES, epsilon=1e-5):
    features = features.astype(np.float64)
    mean = features.mean(axis=axes, keepdims=True)
    variance = features.var(axis=axes, keepdims=True)
    return (features - mean) / np.sqrt(variance + epsilon)


def _channel_normalized(features):
    features = features.astype(np.float64)
    return features / np.sqrt(np.mean(features**2, axis=-1, keepdims=True))


@pytest.mark.parametrize("inputs", [[_features()], [_features(), np.ones((2, 3), "f")]])
@pytest.mark.parametrize(
    "layer_class, arguments",
    [
        (ChannelNormalization, {"epsilon": 0.5}),
        (InstanceNormalization, {"axes": (1, 2), "epsilon": 0.5}),
    ],
)
def test_contract(layer_class, arguments, inputs, tmp_path):
    assert_layer_contract(layer_class, arguments, inputs, tmp_path)


@pytest.mark.parametrize(
    "axes, epsilon", [(_ALL_AXES, 1e-5), ((1, 2), 0.5), ((3,), 1e-5)]
)
def test_a_new_instance_norm_normalises_over_its_axes(axes, epsilon):
    outputs = outputs_of(InstanceNormalization(axes, epsilon), _features())
    expected = _instance_normalized(_features(), axes, epsilon)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize(
    "layer_class, normalized",
    [
        (ChannelNormalization, _channel_normalized),
        (InstanceNormalization, _instance_normalized),
    ],
)
def test_condition_modulates_scale_and_shift_of_its_example(layer_class, normalized):
    condition = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    layer = layer_class()
    new_outputs = outputs_of(layer, _features(), condition)
    # A new layer ignores the condition.
    np.testing.assert_allclose(new_outputs, normalized(_features()), atol=1e-4)

    randomize_weights(layer)
    weights = {weight.path.split("/")[-1]: weight.numpy() for weight in layer.weights}
    modulation = condition @ weights["kernel"] + weights["bias"]
    factor, offset = np.split(modulation[:, None, None, None, :], 2, axis=-1)
    scale, shift = weights["gamma"] * (1.0 + factor), weights["beta"] + offset
    np.testing.assert_allclose(
        outputs_of(layer, _features(), condition),
        normalized(_features()) * scale + shift,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "layer_class, value",
    [
        (ChannelNormalization, 0.0),
        (InstanceNormalization, 0.0),
        (InstanceNormalization, -700.0),
    ],
)
def test_constant_features_become_the_shift(layer_class, value):
    layer = layer_class()
    layer.build((None, None, None, None, 2))
    layer.beta.assign([1.0, -2.0])
    features = np.full((1, 4, 4, 4, 2), value, np.float32)
    expected = np.broadcast_to([1.0, -2.0], features.shape)
    np.testing.assert_allclose(outputs_of(layer, features), expected, atol=1e-6)


def test_channel_norm_of_a_voxel_does_not_depend_on_its_neighbours():
    features, layer = _features(), ChannelNormalization()
    whole = outputs_of(layer, features)
    part = outputs_of(layer, features[:1, 1:3, :, 2:5])
    np.testing.assert_array_equal(part, whole[:1, 1:3, :, 2:5])


def test_a_mean_of_ten_deviations_costs_two_digits():
    # The variance is then a small difference of two large numbers.
    features = _features((1, 16, 16, 16, 2), mean=30.0)
    outputs = outputs_of(InstanceNormalization(), features)
    np.testing.assert_allclose(outputs, _instance_normalized(features), atol=2e-3)


@pytest.mark.parametrize(
    "layer_class, features, normalized",
    [
        # float16 cannot hold the square of 300 or 400, nor the sum of 4096 times 30.
        (ChannelNormalization, _features() * 300.0, _channel_normalized),
        (
            InstanceNormalization,
            _features((1, 16, 16, 16, 2), mean=30.0) * 13.0,
            _instance_normalized,
        ),
    ],
)
def test_statistics_are_float32_under_mixed_float16(layer_class, features, normalized):
    layer = layer_class(dtype="mixed_float16")
    expected = normalized(features.astype(np.float16))
    # float16 holds 3 with a precision of 1e-3, and the outputs reach 4.
    np.testing.assert_allclose(outputs_of(layer, features), expected, atol=2e-3)


@pytest.mark.parametrize(
    "dtype, batch", [("float32", None), ("mixed_bfloat16", 1), ("mixed_float16", 3)]
)
def test_fused_and_single_operations_give_the_same(monkeypatch, dtype, batch):
    layer = InstanceNormalization(dtype=dtype)
    layer.build((None, None, None, None, 6), (None, 3))
    randomize_weights(layer)
    rng = np.random.default_rng(1)
    features = tf.cast(_features((batch or 3, 5, 4, 9, 6)), layer.compute_dtype)
    weights = tf.constant(rng.normal(size=features.shape), tf.float32)
    condition = tf.constant(rng.normal(size=(features.shape[0], 3)), tf.float32)
    signature = tf.TensorSpec([batch, None, None, None, 6], features.dtype)

    def outputs_and_gradients():
        @tf.function(input_signature=[signature])
        def compute(features):
            with tf.GradientTape() as tape:
                tape.watch(features)
                outputs = layer(features, condition)
                total = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
            variables = [weight.value for weight in layer.trainable_weights]
            return outputs, *tape.gradient(total, [features, *variables])

        return [np.asarray(values, np.float32) for values in compute(features)]

    fused = outputs_and_gradients()
    monkeypatch.setattr(fused_normalization, "is_used", lambda: False)
    tolerance = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 3e-3}
    for found, expected in zip(fused, outputs_and_gradients(), strict=True):
        atol = tolerance[layer.compute_dtype] * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=atol)


def test_with_a_gpu_nothing_is_fused(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert not fused_normalization.is_used()
