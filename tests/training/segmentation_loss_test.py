import numpy as np
import tensorflow as tf

from tf_diffseg.losses import cross_entropy_loss, dice_loss_from_logits, focal_loss
from tf_diffseg.training.segmentation_loss import segmentation_loss

MASK = tf.one_hot(np.random.default_rng(0).integers(0, 3, [2, 4, 4, 4]), 3)
LOGITS = tf.random.stateless_normal(MASK.shape, [1, 2])


def test_total_is_the_weighted_sum():
    weights = {"dice_loss": 2.0, "cross_entropy": 0.5, "focal_loss": 3.0}
    losses = segmentation_loss(MASK, LOGITS, weights)
    expected = (
        2.0 * tf.reduce_mean(dice_loss_from_logits(MASK, LOGITS), axis=1)
        + 0.5 * cross_entropy_loss(MASK, LOGITS)
        + 3.0 * focal_loss(MASK, LOGITS)
    )
    np.testing.assert_allclose(losses["loss"], expected, rtol=1e-6)


def test_a_loss_of_weight_zero_is_left_out():
    weights = {"dice_loss": 1.0, "cross_entropy": 0.0, "focal_loss": 0.0}
    losses = segmentation_loss(MASK, LOGITS, weights)
    assert set(losses) == {"loss", "dice_loss"}
    np.testing.assert_array_equal(losses["loss"], losses["dice_loss"])


def test_an_absent_class_does_not_count():
    mask = tf.one_hot(tf.zeros([1, 4, 4, 4], tf.int32), 3)
    logits = 20.0 * mask
    losses = segmentation_loss(mask, logits, {"dice_loss": 1.0})
    assert float(losses["loss"][0]) < 1e-3
