"""Instance normalisation agrees with numpy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.layer_contract import assert_layer_contract, modulated_layer
from tests.models.toy_network import outputs_of, randomize_weights
from tf_diffseg.models import InstanceNormalization, fused_normalization


def _features(shape=(2, 5, 4, 9, 6), mean=1.0):
    rng = np.random.default_rng(0)
    return rng.normal(mean, 3.0, shape).astype(np.float32)


def _reference(features, axes, epsilon, scale=1.0, shift=0.0):
    features = features.astype(np.float64)
    mean = features.mean(axis=axes, keepdims=True)
    variance = features.var(axis=axes, keepdims=True)
    return (features - mean) / np.sqrt(variance + epsilon) * scale + shift


@pytest.mark.parametrize("inputs", [[_features()], [_features(), np.ones((2, 3), "f")]])
def test_contract(inputs, tmp_path):
    arguments = {"axes": (1, 2), "epsilon": 0.5}
    assert_layer_contract(InstanceNormalization, arguments, inputs, tmp_path)


@pytest.mark.parametrize(
    "axes, epsilon", [((1, 2, 3), 1e-5), ((1, 2), 0.5), ((3,), 1e-5)]
)
def test_a_new_layer_normalises(axes, epsilon):
    layer = InstanceNormalization(axes, epsilon)
    np.testing.assert_allclose(
        outputs_of(layer, _features()),
        _reference(_features(), axes, epsilon),
        atol=1e-5,
    )


def test_condition_modulates_scale_and_shift_of_its_example():
    layer, condition, scale, shift = modulated_layer(InstanceNormalization(), 6)
    np.testing.assert_allclose(
        outputs_of(layer, _features(), condition),
        _reference(_features(), (1, 2, 3), 1e-5, scale, shift),
        atol=1e-5,
    )


def test_a_new_layer_ignores_the_condition():
    condition = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    with_condition = outputs_of(InstanceNormalization(), _features(), condition)
    without = outputs_of(InstanceNormalization(), _features())
    np.testing.assert_array_equal(with_condition, without)


def test_a_mean_of_ten_deviations_costs_two_digits():
    # The variance is then a small difference of two large numbers.
    features = _features((1, 16, 16, 16, 2), mean=30.0)
    expected = _reference(features, (1, 2, 3), 1e-5)
    outputs = outputs_of(InstanceNormalization(), features)
    np.testing.assert_allclose(outputs, expected, atol=2e-3)


@pytest.mark.parametrize("value", [0.0, -700.0])
def test_constant_features_become_the_shift(value):
    layer = InstanceNormalization()
    layer.build((None, None, None, None, 2))
    layer.beta.assign([1.0, -2.0])
    features = np.full((1, 4, 4, 4, 2), value, np.float32)
    expected = np.broadcast_to([1.0, -2.0], features.shape)
    np.testing.assert_allclose(outputs_of(layer, features), expected, atol=1e-6)


def test_statistics_are_float32_under_mixed_float16():
    # float16 cannot hold the square of 400, nor the sum of 4096 times 30.
    features = _features((1, 16, 16, 16, 2), mean=30.0) * 13.0
    layer = InstanceNormalization(dtype="mixed_float16")
    expected = _reference(features.astype(np.float16), (1, 2, 3), 1e-5)
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
