"""The threshold baseline finds the best interval of intensity."""

import numpy as np
import pytest

from data_tools.phantoms.threshold_baseline import best_threshold_dice

_LABEL = np.zeros((10, 10, 10), int)
_LABEL[:3], _LABEL[7:] = 1, 2


def test_separable_intensities_are_solved_whatever_the_gain():
    images = [_LABEL * 10.0, _LABEL * 300.0 + 7]
    mean, per_class = best_threshold_dice(images, [_LABEL] * 2)
    assert mean == pytest.approx(1.0)
    assert per_class == pytest.approx({1: 1.0, 2: 1.0})


def test_constant_image_predicts_every_voxel():
    mean, per_class = best_threshold_dice([np.ones(_LABEL.shape)], [_LABEL])
    everything = 2 * 300 / (1000 + 300)
    assert per_class == pytest.approx({1: everything, 2: everything})
    assert mean == pytest.approx(everything)


def test_a_lookalike_in_the_background_costs_dice():
    image = _LABEL.astype(float)
    image[4] = 1.0  # 100 voxels of background as bright as class 1
    _, per_class = best_threshold_dice([image], [_LABEL])
    assert per_class[1] == pytest.approx(2 * 300 / (400 + 300))
    assert per_class[2] == pytest.approx(1.0)


def test_cases_without_a_class_are_left_out():
    absent = np.where(_LABEL == 2, 0, _LABEL)
    _, per_class = best_threshold_dice([_LABEL * 1.0] * 2, [_LABEL, absent])
    assert per_class[2] == pytest.approx(1.0)
