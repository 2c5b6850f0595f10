"""What docs/from_tensorflow_addons.md says of Keras 3, against the installed addons."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.addons import live

_RNG = np.random.RandomState(0)
_IMAGE = _RNG.rand(1, 9, 8, 2).astype(np.float32)
_FEATURES = _RNG.randn(2, 6, 5, 4).astype(np.float32)
_TRUTH = (_RNG.rand(4, 3) > 0.5).astype(np.float32)
_PREDICTED = _RNG.rand(4, 3).astype(np.float32)
_PROJECTION = np.float32([1.05, 0.1, 0.3, -0.07, 0.95, 0.2, 0.0, 0.0])
_WEIGHTS = _RNG.randn(3, 2).astype(np.float32)
_GRADIENTS = _RNG.randn(6, 3, 2).astype(np.float32)


@pytest.fixture
def tfa():
    return live.import_or_skip()


def _result(metric):
    metric.update_state(_TRUTH, _PREDICTED)
    return metric.result()


_SAME = {
    "GroupNormalization": lambda tfa: (
        tfa.layers.GroupNormalization(groups=2)(_FEATURES),
        keras.layers.GroupNormalization(groups=2)(_FEATURES),
    ),
    "InstanceNormalization": lambda tfa: (
        tfa.layers.InstanceNormalization()(_FEATURES),
        keras.layers.GroupNormalization(groups=-1)(_FEATURES),
    ),
    "gelu": lambda tfa: (
        tfa.activations.gelu(_FEATURES, approximate=True),
        keras.activations.gelu(_FEATURES, approximate=True),
    ),
    "mish": lambda tfa: (
        tfa.activations.mish(_FEATURES),
        keras.activations.mish(_FEATURES),
    ),
    "sigmoid_focal_crossentropy": lambda tfa: (
        tfa.losses.sigmoid_focal_crossentropy(_TRUTH, _PREDICTED) / 3.0,
        keras.losses.binary_focal_crossentropy(
            _TRUTH, _PREDICTED, apply_class_balancing=True
        ),
    ),
    "F1Score": lambda tfa: (
        _result(tfa.metrics.F1Score(3, threshold=0.5)),
        _result(keras.metrics.F1Score(threshold=0.5)),
    ),
    "transform": lambda tfa: (
        tfa.image.transform(_IMAGE, _PROJECTION, "bilinear"),
        keras.ops.image.affine_transform(_IMAGE, _PROJECTION[np.newaxis]),
    ),
    "gaussian_filter2d": lambda tfa: (
        tfa.image.gaussian_filter2d(_IMAGE, (3, 3), (1.0, 1.0), "CONSTANT"),
        keras.ops.image.gaussian_blur(_IMAGE, (3, 3), (1.0, 1.0)),
    ),
    "SGDW": lambda tfa: (
        _steps(tfa.optimizers.SGDW(0.01, 0.05, momentum=0.9), tf.Variable),
        _steps(
            keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.2), keras.Variable
        ),
    ),
    "LAMB without decay": lambda tfa: (
        _steps(tfa.optimizers.LAMB(0.05), tf.Variable),
        _steps(keras.optimizers.Lamb(0.05, epsilon=1e-6), keras.Variable),
    ),
}


def _steps(optimizer, variable_class):
    """The weights after each step."""
    variable, steps = variable_class(_WEIGHTS), []
    for gradient in _GRADIENTS:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
        steps.append(np.array(variable))
    return np.array(steps)


@pytest.mark.parametrize("name", _SAME)
def test_these_are_the_same(tfa, name):
    theirs, of_keras = _SAME[name](tfa)
    np.testing.assert_allclose(of_keras, theirs, rtol=0.0, atol=2e-6)


def test_lamb_decays_inside_the_trust_ratio(tfa):
    """So no multiple of its decay gives Keras's steps."""
    theirs = _steps(tfa.optimizers.LAMB(0.05, weight_decay=0.1), tf.Variable)
    for decay in (0.1, 0.1 / 0.05):
        optimizer = keras.optimizers.Lamb(0.05, epsilon=1e-6, weight_decay=decay)
        assert np.abs(_steps(optimizer, keras.Variable) - theirs).max() > 0.02


def test_its_moving_average_starts_before_the_first_step(tfa):
    """At the initial weights; that of Keras starts at the weights after the step."""
    import tf_keras

    steps = _steps(keras.optimizers.SGD(0.1), keras.Variable)
    variable = tf.Variable(_WEIGHTS)
    optimizer = tfa.optimizers.MovingAverage(
        tf_keras.optimizers.legacy.SGD(0.1), average_decay=0.9
    )
    averaging = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    of_keras = keras.Variable(_WEIGHTS)
    theirs, ours = _WEIGHTS, steps[0]
    for gradient, weights in zip(_GRADIENTS, steps, strict=True):
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
        averaging.apply_gradients([(tf.constant(gradient), of_keras)])
        theirs = 0.9 * theirs + 0.1 * weights
        ours = 0.9 * ours + 0.1 * weights
        found = optimizer.get_slot(variable, "average")
        np.testing.assert_allclose(found, theirs, rtol=0.0, atol=1e-6)
        (found,) = averaging._model_variables_moving_average
        np.testing.assert_allclose(found, ours, rtol=0.0, atol=1e-6)
