"""Dice of one volume."""

import numpy as np
import pytest

from tf_diffseg.metrics.dice import dice_score, dice_score_from_masks


def test_dice_is_the_overlap_of_each_class():
    ground_truth = np.array([[0, 0, 1, 1], [2, 2, 2, 2]])
    predicted = np.array([[0, 1, 1, 1], [2, 2, 2, 0]])

    score = dice_score(ground_truth, predicted, num_classes=3)

    # 2 * overlap / (size + size) with sizes 2, 2, 4 and 2, 3, 3.
    np.testing.assert_allclose(score.dice, [2 / 4, 4 / 5, 6 / 7])
    assert score.is_defined.all()


@pytest.mark.parametrize(
    "ground_truth, predicted, is_defined",
    [
        pytest.param([0, 0, 1], [0, 0, 0], True, id="missed"),
        pytest.param([0, 0, 0], [0, 0, 1], True, id="invented"),
        pytest.param([0, 0, 0], [0, 0, 0], False, id="absent_in_both"),
    ],
)
def test_only_an_absent_class_is_not_defined(ground_truth, predicted, is_defined):
    score = dice_score(ground_truth, predicted, num_classes=2)

    assert score.dice[1] == 0.0
    assert score.is_defined[1] == is_defined
    assert score.is_defined[0]


def test_overlapping_masks():
    ground_truth = np.array([[1, 1], [1, 0], [0, 0]])
    predicted = np.array([[1, 1], [1, 1], [0, 0]])

    score = dice_score_from_masks(ground_truth, predicted)

    np.testing.assert_allclose(score.dice, [1.0, 2 / 3])


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 2\).* shape \(4, 2\)"):
        dice_score(np.zeros(3), np.zeros(4), num_classes=2)
