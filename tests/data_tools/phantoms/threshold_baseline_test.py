"""The threshold baseline finds the interval that is there, and no other."""

import numpy as np
import pytest

from data_tools.phantoms.threshold_baseline import best_threshold_dice


def _label():
    label = np.zeros((10, 10, 10), int)
    label[:3], label[7:] = 1, 2
    return label


def test_separable_intensities_are_solved_whatever_the_gain():
    label = _label()
    mean, per_class = best_threshold_dice(
        [label * 10.0, label * 300.0 + 7], [label] * 2
    )
    assert mean == pytest.approx(1.0)
    assert per_class == pytest.approx({1: 1.0, 2: 1.0})


def test_constant_image_can_only_answer_everything():
    label = _label()
    mean, per_class = best_threshold_dice([np.ones(label.shape)], [label])
    everything = 2 * 300 / (1000 + 300)
    assert per_class == pytest.approx({1: everything, 2: everything})
    assert mean == pytest.approx(everything)


def test_a_lookalike_in_the_background_costs_dice():
    label = _label()
    image = label.astype(float)
    image[4] = 1.0  # 100 voxels of background as bright as class 1
    _, per_class = best_threshold_dice([image], [label])
    assert per_class[1] == pytest.approx(2 * 300 / (400 + 300))
    assert per_class[2] == pytest.approx(1.0)


def test_cases_without_a_class_are_left_out():
    label = _label()
    absent = np.where(label == 2, 0, label)
    _, per_class = best_threshold_dice([label * 1.0] * 2, [label, absent])
    assert per_class[2] == pytest.approx(1.0)
