"""How well uncertainty finds errors."""

import numpy as np
import pytest
from scipy import stats

from tf_diffseg.evaluation.error_auroc import error_auroc


def _labels():
    truth = np.zeros((8, 8, 8), int)
    truth[2:6, 2:6, 2:6] = 1
    label = np.roll(truth, 1, axis=0)
    return truth, label


def test_entropy_only_in_wrong_voxels_finds_all_of_them():
    truth, label = _labels()
    is_wrong = truth != label
    assert error_auroc(truth, label, is_wrong * 0.5) == 1.0
    assert error_auroc(truth, label, ~is_wrong * 0.5) == 0.0
    assert error_auroc(truth, label, np.ones(truth.shape)) == 0.5


def test_the_area_is_the_chance_that_a_wrong_voxel_has_more_entropy():
    truth, label = _labels()
    entropy = np.random.default_rng(0).random(truth.shape) + (truth != label) * 0.3
    box = (slice(2, 7), slice(2, 6), slice(2, 6))
    is_wrong = (truth != label)[box]
    found = stats.mannwhitneyu(entropy[box][is_wrong], entropy[box][~is_wrong])
    expected = found.statistic / is_wrong.sum() / (~is_wrong).sum()
    assert error_auroc(truth, label, entropy) == pytest.approx(expected)


def test_without_wrong_voxels_or_foreground_the_area_is_not_defined():
    truth, _ = _labels()
    assert np.isnan(error_auroc(truth, truth, np.ones(truth.shape)))
    assert np.isnan(error_auroc(truth * 0, truth * 0, np.ones(truth.shape)))
