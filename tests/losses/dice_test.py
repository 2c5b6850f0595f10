"""Dice loss: degenerate masks, the mean over classes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.losses.class_mean import mean_over_present_classes
from tf_diffseg.losses.dice import dice_loss, dice_loss_from_logits


def test_loss_is_zero_for_the_mask_and_one_for_its_opposite():
    mask = np.eye(2, dtype=np.float32)[[[0, 1, 1, 0]]]

    np.testing.assert_array_equal(dice_loss(mask, mask), [[0.0, 0.0]])
    np.testing.assert_array_equal(dice_loss(mask, 1.0 - mask), [[1.0, 1.0]])


def test_half_an_overlap_gives_half_the_loss():
    mask = np.float32([1, 1, 0, 0]).reshape(1, 4, 1)
    predicted = np.float32([0, 1, 1, 0]).reshape(1, 4, 1)

    np.testing.assert_allclose(dice_loss(mask, predicted), [[0.5]], rtol=1e-6)


def test_one_voxel_class_is_not_smoothed_away():
    mask = np.zeros([1, 10, 10, 10, 1], np.float32)
    mask[0, 5, 5, 5] = 1.0
    missed, found = np.zeros_like(mask), mask

    np.testing.assert_array_equal(dice_loss(mask, missed), [[1.0]])
    np.testing.assert_array_equal(dice_loss(mask, found), [[0.0]])


def test_a_class_that_is_nowhere_has_a_loss_of_one():
    nowhere = np.zeros([1, 2, 2, 2, 1], np.float32)

    np.testing.assert_array_equal(dice_loss(nowhere, nowhere), [[1.0]])


def test_soft_masks_smaller_than_a_voxel_are_not_smoothed_away():
    mask = np.float32([0.125, 0.0]).reshape(1, 2, 1)

    np.testing.assert_allclose(dice_loss(mask, mask), [[0.875]], rtol=1e-6)


def test_classes_are_exclusive_unless_told_otherwise():
    mask = logits = np.ones([1, 4, 2], np.float32)

    np.testing.assert_allclose(
        dice_loss_from_logits(mask, logits), [[1 / 3, 1 / 3]], rtol=1e-6
    )


def test_overlapping_classes_do_not_compete():
    mask = np.ones([1, 4, 2], np.float32)
    logits = np.full([1, 4, 2], 40.0, np.float32)

    overlapping = dice_loss_from_logits(mask, logits, exclusive=False)
    exclusive = dice_loss_from_logits(mask, logits, exclusive=True)

    np.testing.assert_allclose(overlapping, [[0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(exclusive, [[1 / 3, 1 / 3]], rtol=1e-6)


@pytest.mark.parametrize(
    "include_background, expected", [(True, [0.4, 0.3]), (False, [0.6, 0.0])]
)
def test_mean_leaves_out_absent_classes(include_background, expected):
    mask = np.eye(3, dtype=np.float32)[[[0, 1], [0, 0]]]
    loss = np.float32([[0.2, 0.6, 1.0], [0.3, 1.0, 1.0]])

    mean = mean_over_present_classes(loss, mask, include_background)

    np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_example_without_any_class_has_no_loss_and_no_gradient():
    mask = tf.zeros([1, 2, 2, 2, 3])
    logits = tf.zeros([1, 2, 2, 2, 3])

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = dice_loss_from_logits(mask, logits, exclusive=False)
        mean = mean_over_present_classes(loss, mask)

    np.testing.assert_array_equal(mean, [0.0])
    np.testing.assert_array_equal(tape.gradient(mean, logits), np.zeros(logits.shape))
