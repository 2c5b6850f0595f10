"""Guarantees of every loss: values, types, degenerate masks, gradients, graphs."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.losses import (
    LOSSES,
    cross_entropy_loss,
    dice_loss_from_logits,
    focal_loss,
    mean_over_present_classes,
)


def dice_of_foreground(mask, logits, exclusive=True):
    loss = dice_loss_from_logits(mask, logits, exclusive)
    return mean_over_present_classes(loss, mask, include_background=False)


_LOSSES = LOSSES | {"dice_of_foreground": dice_of_foreground}
_SHAPE = (2, 4, 4, 4, 3)


@pytest.fixture(params=_LOSSES.values(), ids=_LOSSES)
def loss_fn(request):
    return request.param


def degenerate_mask(kind):
    label = np.zeros(_SHAPE[:-1], int)
    if kind == "full":
        label[:] = 1
    if kind == "one_voxel":
        label[:, 2, 2, 2] = 1
    mask = np.eye(3, dtype=np.float32)[label]
    return np.zeros_like(mask) if kind == "empty" else mask


def random_logits(scale=1.0):
    draws = np.random.default_rng(0).standard_normal(_SHAPE)
    return tf.constant(scale * draws, tf.float32)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-12)])
@pytest.mark.parametrize(
    "loss_fn, name",
    [
        (cross_entropy_loss, "cross_entropy_per_example"),
        (dice_loss_from_logits, "dice_loss_per_example_per_class"),
        (focal_loss, "focal_loss_gamma2_per_example"),
    ],
)
def test_reference_values(loss_fn, name, dtype, rtol, golden_diffusion):
    case = golden_diffusion["case"]
    mask = (np.asarray(case["x_start"], dtype) + 1) / 2

    loss = loss_fn(mask, np.asarray(case["logits"], dtype))

    assert loss.dtype == dtype
    np.testing.assert_allclose(loss, case[name], rtol=rtol)


@pytest.mark.parametrize("kind", ["empty", "background", "full", "one_voxel"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("exclusive", [True, False])
def test_degenerate_masks_give_finite_losses_and_gradients(
    loss_fn, kind, scale, exclusive
):
    mask, logits = degenerate_mask(kind), random_logits(scale)

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = loss_fn(mask, logits, exclusive=exclusive)

    assert loss.shape == (2,)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()


@pytest.mark.parametrize("exclusive", [True, False])
def test_step_along_the_gradient_lowers_the_loss(loss_fn, exclusive):
    mask, logits = degenerate_mask("one_voxel"), random_logits()

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = loss_fn(mask, logits, exclusive=exclusive)
    lower = logits - 0.1 * tape.gradient(loss, logits)

    assert (loss_fn(mask, lower, exclusive=exclusive) < loss).numpy().all()


@pytest.mark.parametrize("half", [tf.float16, tf.bfloat16])
def test_half_precision_is_computed_in_float32(loss_fn, half):
    mask = tf.constant(degenerate_mask("one_voxel"))
    logits = tf.cast(random_logits(), half)

    loss = loss_fn(tf.cast(mask, half), logits)

    assert loss.dtype == tf.float32
    expected = loss_fn(mask, tf.cast(logits, tf.float32))
    np.testing.assert_array_equal(loss, expected)


def test_examples_do_not_mix(loss_fn):
    mask, logits = degenerate_mask("one_voxel"), random_logits()

    together = loss_fn(mask, logits)

    for i in range(2):
        alone = loss_fn(mask[i : i + 1], logits[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-6)


def test_graph_with_unknown_sizes_agrees_with_eager(loss_fn):
    volume = tf.TensorSpec([None, None, None, None, 3])
    graph = tf.function(lambda m, z: loss_fn(m, z), input_signature=[volume, volume])
    mask, logits = degenerate_mask("one_voxel"), random_logits()

    np.testing.assert_allclose(graph(mask, logits), loss_fn(mask, logits), rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_class_that_only_unlabelled_voxels_have_costs_nothing(name):
    mask = degenerate_mask("one_voxel")
    is_labelled = np.ones(_SHAPE[:-1], bool)
    is_labelled[:, 2, 2, 2] = False
    background = 40.0 * degenerate_mask("background")
    loss = LOSSES[name](mask, background, True, tf.constant(is_labelled))
    np.testing.assert_allclose(loss, 0.0, atol=1e-6)
