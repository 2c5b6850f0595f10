"""Probabilities whose calibration is known."""

import numpy as np
import pytest

from tf_diffseg.metrics import expected_calibration_error


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_probability_equal_to_the_frequency_has_no_error(share):
    is_class = np.arange(100) < 100 * share
    assert expected_calibration_error(np.full(100, share), is_class) == pytest.approx(0)


def test_wrong_certain_probability_has_an_error_of_one():
    assert expected_calibration_error([1.0, 0.0], [0, 1]) == 1.0


def test_bins_are_weighted_by_their_voxels():
    # The gap is 0.5 in 10 voxels and 0.1 in 30.
    probability = np.repeat([0.5, 0.9], [10, 30])
    is_class = np.repeat([1, 1], [10, 30])
    expected = (10 * 0.5 + 30 * 0.1) / 40
    assert expected_calibration_error(probability, is_class) == pytest.approx(expected)


def test_opposite_errors_cancel_only_inside_a_bin():
    same_bin = expected_calibration_error([0.5, 0.5], [0, 1])
    other_bins = expected_calibration_error([0.4, 0.6], [0, 1], num_bins=2)
    assert same_bin == pytest.approx(0.0)
    assert other_bins == pytest.approx(0.4)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3"):
        expected_calibration_error([0.5, 0.5], [0, 1, 1])
    with pytest.raises(ValueError, match="got 0 and 0"):
        expected_calibration_error([], [])


def test_a_probability_of_one_is_in_the_last_bin():
    assert expected_calibration_error([1.0, 0.95], [0, 1]) == pytest.approx(0.475)


def test_there_are_15_bins_unless_told_otherwise():
    probability, limit = np.random.default_rng(0).random((2, 500))
    is_class = limit < probability**2
    by_number = [
        expected_calibration_error(probability, is_class, number)
        for number in (14, 15, 16)
    ]
    assert expected_calibration_error(probability, is_class) == by_number[1]
    assert len(set(by_number)) == 3
