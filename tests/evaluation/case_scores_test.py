"""How well uncertainty tells errors."""

import numpy as np
import pytest
from scipy import stats

from tf_diffseg.evaluation.case_scores import _error_auroc, _expected_dice


def _labels():
    truth = np.zeros((8, 8, 8), int)
    truth[2:6, 2:6, 2:6] = 1
    label = np.roll(truth, 1, axis=0)
    return truth, label


def test_entropy_of_wrong_voxels_alone_tells_all_of_them():
    truth, label = _labels()
    is_wrong = truth != label
    assert _error_auroc(truth, label, is_wrong * 0.5) == 1.0
    assert _error_auroc(truth, label, ~is_wrong * 0.5) == 0.0
    assert _error_auroc(truth, label, np.ones(truth.shape)) == 0.5


def test_is_the_chance_that_a_wrong_voxel_has_more_entropy():
    truth, label = _labels()
    entropy = np.random.default_rng(0).random(truth.shape) + (truth != label) * 0.3
    box = (slice(2, 7), slice(2, 6), slice(2, 6))
    is_wrong = (truth != label)[box]
    found = stats.mannwhitneyu(entropy[box][is_wrong], entropy[box][~is_wrong])
    expected = found.statistic / is_wrong.sum() / (~is_wrong).sum()
    assert _error_auroc(truth, label, entropy) == pytest.approx(expected)


def test_where_there_is_nothing_to_tell_it_is_not_defined():
    truth, _ = _labels()
    assert np.isnan(_error_auroc(truth, truth, np.ones(truth.shape)))
    assert np.isnan(_error_auroc(truth * 0, truth * 0, np.ones(truth.shape)))


def test_a_certain_prediction_expects_a_dice_of_one():
    truth, label = _labels()
    assert _expected_dice(np.eye(2)[label], label, [(1,)]) == 1.0
    assert np.isnan(_expected_dice(np.eye(2)[truth * 0], truth * 0, [(1,)]))


def test_expected_dice_is_that_with_the_probabilities():
    label = np.zeros((4, 4, 4), int)
    label[:2] = 1
    label[3, 3, 3] = 2
    probabilities = np.zeros((4, 4, 4, 3))
    probabilities[:2, ..., 1] = 0.75  # 32 voxels
    probabilities[2, ..., 1] = 0.25  # 16 voxels
    probabilities[3, 3, 3, 2] = 1.0
    expected = (2 * 32 * 0.75 / (32 + 32 * 0.75 + 16 * 0.25) + 1.0) / 2
    assert _expected_dice(probabilities, label, [(1,), (2,)]) == pytest.approx(expected)
