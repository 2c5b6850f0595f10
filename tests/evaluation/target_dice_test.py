"""Dice of label maps, target by target, and what a prediction expects of its own."""

import numpy as np
import pytest

from tf_diffseg.evaluation.target_dice import expected_dice


def test_a_certain_prediction_expects_a_dice_of_one():
    truth = np.zeros((8, 8, 8), int)
    truth[2:6, 2:6, 2:6] = 1
    label = np.roll(truth, 1, axis=0)
    assert expected_dice(np.eye(2)[label], label, [(1,)]) == 1.0
    assert np.isnan(expected_dice(np.eye(2)[truth * 0], truth * 0, [(1,)]))


def test_expected_dice_is_that_with_the_probabilities():
    label = np.zeros((4, 4, 4), int)
    label[:2] = 1
    label[3, 3, 3] = 2
    probabilities = np.zeros((4, 4, 4, 3))
    probabilities[:2, ..., 1] = 0.75  # 32 voxels
    probabilities[2, ..., 1] = 0.25  # 16 voxels
    probabilities[3, 3, 3, 2] = 1.0
    expected = (2 * 32 * 0.75 / (32 + 32 * 0.75 + 16 * 0.25) + 1.0) / 2
    assert expected_dice(probabilities, label, [(1,), (2,)]) == pytest.approx(expected)
