import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import GaussianDiffusion, MaskEncoding, logits_to_x_start
from tf_diffseg.losses import cross_entropy_loss, dice_loss_from_logits, focal_loss
from tf_diffseg.training.training_loss import TrainingLoss

EXCLUSIVE = MaskEncoding.EXCLUSIVE
MASK = tf.one_hot(np.random.default_rng(0).integers(0, 3, [2, 4, 4, 4]), 3)
X_START = 2.0 * MASK - 1.0
LOGITS = tf.random.stateless_normal(MASK.shape, [1, 2])
NOISE = tf.random.stateless_normal(MASK.shape, [3, 4])
T_INDEX = tf.constant([0, 3])
X_SHAPE = [1, 4, 4, 4]


def _bound(loss, diffusion):
    if diffusion is None:
        return loss.of_segmentation(EXCLUSIVE)
    return loss.of_diffusion(diffusion, EXCLUSIVE)


def test_total_is_the_weighted_sum():
    loss = TrainingLoss(2.0, 0.5, 3.0, focal_gamma=1.5).of_segmentation(EXCLUSIVE)
    losses = loss(MASK, LOGITS)
    expected = (
        2.0 * tf.reduce_mean(dice_loss_from_logits(MASK, LOGITS), axis=1)
        + 0.5 * cross_entropy_loss(MASK, LOGITS)
        + 3.0 * focal_loss(MASK, LOGITS, gamma=1.5)
    )
    np.testing.assert_allclose(losses["loss"], expected, rtol=1e-6)
    assert loss.names == list(losses)


def test_a_loss_of_weight_zero_is_left_out():
    loss = TrainingLoss(cross_entropy_weight=0.0).of_segmentation(EXCLUSIVE)
    assert loss.names == ["loss", "dice_loss"]
    losses = loss(MASK, LOGITS)
    np.testing.assert_array_equal(losses["loss"], losses["dice_loss"])


def test_overlapping_classes_are_scored_one_by_one():
    loss = TrainingLoss(1.0, 1.0, 1.0).of_segmentation(MaskEncoding.OVERLAPPING)
    losses = loss(MASK, LOGITS)
    dice = tf.reduce_mean(dice_loss_from_logits(MASK, LOGITS, False), axis=1)
    expected = {
        "cross_entropy": cross_entropy_loss(MASK, LOGITS, exclusive=False),
        "dice_loss": dice,
        "focal_loss": focal_loss(MASK, LOGITS, exclusive=False),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(losses[name], values, rtol=1e-6, err_msg=name)


def test_error_of_the_noise_that_was_added():
    diffusion = GaussianDiffusion(model_output="noise")
    x_t = diffusion.q_sample(X_START, NOISE, T_INDEX)
    loss = TrainingLoss(noise_weight=2.0).of_diffusion(diffusion, EXCLUSIVE)
    assert loss.names == ["loss", "noise_error"]
    np.testing.assert_allclose(
        loss(MASK, NOISE, x_t, T_INDEX)["loss"], [0.0, 0.0], atol=1e-4
    )
    shifted = loss(MASK, NOISE + 0.5, x_t, T_INDEX)
    np.testing.assert_allclose(shifted["noise_error"], [0.25, 0.25], rtol=1e-2)
    np.testing.assert_allclose(shifted["loss"], 2.0 * shifted["noise_error"])


def test_variational_bound_is_the_diffusions():
    diffusion = GaussianDiffusion()
    x_t = diffusion.q_sample(X_START, NOISE, T_INDEX)
    loss = TrainingLoss(variational_weight=0.5).of_diffusion(diffusion, EXCLUSIVE)
    losses = loss(MASK, LOGITS, x_t, T_INDEX)
    expected = diffusion.variational_lower_bound(
        logits_to_x_start(LOGITS), X_START, x_t, T_INDEX
    )
    np.testing.assert_allclose(losses["variational_bound"], expected, rtol=1e-6)
    without = TrainingLoss().of_diffusion(diffusion, EXCLUSIVE)(
        MASK, LOGITS, x_t, T_INDEX
    )["loss"]
    np.testing.assert_allclose(losses["loss"], without + 0.5 * expected, rtol=1e-5)


@pytest.mark.parametrize("variance", ["learned", "learned_range"])
def test_the_bound_trains_a_learned_variance_and_not_the_mean(variance):
    diffusion = GaussianDiffusion(model_variance=variance)
    x_t = diffusion.q_sample(X_START, NOISE, T_INDEX)
    network_out = tf.concat([LOGITS, tf.zeros_like(LOGITS)], axis=-1)
    loss = TrainingLoss(variational_weight=1.0).of_diffusion(diffusion, EXCLUSIVE)
    with tf.GradientTape() as tape:
        tape.watch(network_out)
        bound = loss(MASK, network_out, x_t, T_INDEX)["variational_bound"]
    mean, variance = tf.split(tape.gradient(bound, network_out), 2, axis=-1)
    np.testing.assert_array_equal(mean, tf.zeros_like(mean))
    assert float(tf.reduce_min(tf.reduce_max(tf.abs(variance), [1, 2, 3, 4]))) > 0.0


@pytest.mark.parametrize("voxels", [0, 1, 64])
@pytest.mark.parametrize(
    "dtype, variance", [(tf.float16, "learned"), (tf.bfloat16, "fixed_small")]
)
@pytest.mark.parametrize("encoding", list(MaskEncoding))
def test_half_precision_has_finite_float32_losses_and_gradients(
    voxels, dtype, variance, encoding
):
    mask = tf.one_hot(tf.reshape(tf.cast(tf.range(64) < voxels, tf.int32), X_SHAPE), 3)
    diffusion = GaussianDiffusion(model_variance=variance)
    loss = TrainingLoss(1.0, 1.0, 1.0, variational_weight=1.0)
    loss = loss.of_diffusion(diffusion, encoding)
    x_t = diffusion.q_sample(2.0 * mask - 1.0, NOISE[:1], T_INDEX[:1])
    for scale in (0.0, 1.0, 1000.0):
        network_out = scale * LOGITS[:1]
        if diffusion.model_variance.is_learned:
            network_out = tf.concat([network_out, NOISE[:1]], axis=-1)
        network_out = tf.cast(network_out, dtype)
        with tf.GradientTape() as tape:
            tape.watch(network_out)
            losses = loss(mask, network_out, x_t, T_INDEX[:1])
        assert {value.dtype for value in losses.values()} == {tf.float32}
        assert np.isfinite([float(value[0]) for value in losses.values()]).all()
        gradient = tape.gradient(losses["loss"], network_out)
        assert np.isfinite(tf.cast(gradient, tf.float32)).all()


@pytest.mark.parametrize(
    "diffusion, arguments, message",
    [
        ({}, {"dice_weight": -1.0}, "dice_weight must be a finite number, 0 or more"),
        ({}, {"focal_weight": float("nan")}, "focal_weight must be a finite number"),
        (None, {"variational_weight": 1.0}, "must be 0 where nothing is diffused"),
        ({"model_variance": "learned"}, {}, "needs variational_weight above 0"),
        ({}, {"dice_weight": 0.0, "cross_entropy_weight": 0.0}, "are all 0"),
        ({"model_output": "noise"}, {"noise_weight": 0.0}, "noise_error are all 0"),
    ],
)
def test_refuses(diffusion, arguments, message):
    diffusion = None if diffusion is None else GaussianDiffusion(**diffusion)
    with pytest.raises(ValueError, match=message):
        _bound(TrainingLoss(**arguments), diffusion)


def test_more_losses_are_taken_by_name_and_saved():
    loss = TrainingLoss(0.0, 1.0, more_losses=["focal_loss:weight=0.5,gamma=1.0"])
    losses = loss.of_segmentation(EXCLUSIVE)
    assert losses.names == ["loss", "cross_entropy", "focal_loss"]
    found = losses(MASK, LOGITS)["loss"]
    focal = focal_loss(MASK, LOGITS, gamma=1.0)
    expected = cross_entropy_loss(MASK, LOGITS) + 0.5 * focal
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    config = keras.saving.serialize_keras_object(loss)
    assert TrainingLoss.get(config).get_config() == loss.get_config()


@pytest.mark.parametrize(
    "identifiers, message",
    [
        ("magic", "more_losses must be of dice_loss, .* got 'magic'"),
        ("focal_loss:weight=-1", "the weight of focal_loss in more_losses must be"),
        ("focal_loss:alpha=1", "more_losses=focal_loss has no option alpha, it has g"),
        ("focal_loss:mask=0", "more_losses=focal_loss has no option mask"),
        ("focal_loss:exclusive=false", "focal_loss has no option exclusive"),
        ("focal_loss:gamma=true", "focal_loss: gamma must be a finite number"),
        ("focal_loss:gamma=-1", "=focal_loss:gamma=-1: gamma must not be negative"),
        ("focal_loss:gamma", "expected a name with options"),
        ("focal_loss:weight=much", "more_losses=focal_loss: weight must be a finite"),
        ("dice_loss:weight=2", "more_losses: dice_loss has a weight already"),
        ("focal_loss focal_loss:weight=2", "focal_loss has a weight already"),
    ],
)
def test_refuses_wrong_more_losses(identifiers, message):
    with pytest.raises(ValueError, match=message):
        TrainingLoss(more_losses=identifiers)
