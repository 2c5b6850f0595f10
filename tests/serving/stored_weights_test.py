"""A model runs on its stored weights, and keeps its own weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.serving import StoredWeights


def _model(scale=1.0):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    rng = np.random.default_rng(0)
    model.set_weights([scale * rng.normal(size=w.shape) for w in model.weights])
    return model


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_model_runs_on_the_stored_weights(dtype):
    model, image = _model(), tf.constant([[1.0, 2.0, 3.0]])
    before = model.get_weights()
    stored = StoredWeights(model, dtype)
    assert {value.dtype for value in stored.module.weights} == {tf.as_dtype(dtype)}
    with stored.in_place():
        found = model(image)
    kernel, bias = (tf.cast(tf.cast(w, dtype), tf.float32) for w in before)
    np.testing.assert_array_equal(found, image @ kernel + bias)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="kernel is too large for float16"):
        StoredWeights(_model(1e6), "float16")
    assert StoredWeights(_model(1e6), "bfloat16")


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="float32, float16, bfloat16, got 'int8'"):
        StoredWeights(_model(), "int8")
