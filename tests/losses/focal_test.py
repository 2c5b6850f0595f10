"""Focal loss: limits and wrong arguments."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.losses.cross_entropy import cross_entropy_loss
from tf_diffseg.losses.focal import focal_loss


@pytest.mark.parametrize("exclusive", [True, False])
def test_gamma_zero_gives_cross_entropy(exclusive):
    rng = np.random.default_rng(0)
    mask = np.eye(3, dtype=np.float32)[rng.integers(3, size=(2, 4, 4))]
    logits = 3.0 * rng.standard_normal(mask.shape, np.float32)

    loss = focal_loss(mask, logits, gamma=0.0, exclusive=exclusive)

    expected = cross_entropy_loss(mask, logits, exclusive=exclusive)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_overlapping_classes_weigh_each_term_by_its_error():
    mask = np.float32([[[1, 0], [1, 1]]])
    logits = np.float32([[[2, -1], [-0.5, 0]]])
    probabilities = 1.0 / (1.0 + np.exp(-logits))
    right = np.where(mask, probabilities, 1.0 - probabilities)

    loss = focal_loss(mask, logits, gamma=3.0, exclusive=False)

    expected = -((1.0 - right) ** 3 * np.log(right)).mean()
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("exclusive", [True, False])
def test_sure_predictions_have_finite_gradients(gamma, exclusive):
    mask = tf.constant([[[1.0, 0.0], [0.0, 1.0]]])
    logits = tf.constant([[[200.0, -200.0], [200.0, -200.0]]])  # one right, one wrong

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = focal_loss(mask, logits, exclusive, gamma=gamma)
    gradient = tape.gradient(loss, logits).numpy()

    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    assert (gradient[0, 1] != 0.0).all()


def test_negative_gamma_is_refused():
    with pytest.raises(ValueError, match="gamma must not be negative, got -1"):
        focal_loss(np.ones([1, 1, 1]), np.ones([1, 1, 1]), gamma=-1)
