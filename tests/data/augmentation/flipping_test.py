"""Mirroring: which axes and how often, for image and label alike."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import flip


def _case():
    label = np.arange(3 * 4 * 5, dtype=np.int32).reshape(3, 4, 5)
    return tf.constant(label[..., np.newaxis], tf.float32), tf.constant(label)


def _flipped_axes(label, new_label):
    for number in range(4):
        for axes in itertools.combinations(range(3), number):
            if np.array_equal(np.flip(label, axes), new_label):
                return axes
    raise AssertionError("not a mirror image")


@pytest.mark.parametrize("flip_axes", ["y", "xz", "xyz"])
def test_each_allowed_axis_is_mirrored_in_half_of_the_cases(flip_axes):
    image, label = _case()
    counts = np.zeros(3)
    for index in range(40):
        new_image, new_label = flip(image, label, [0, index], flip_axes)
        np.testing.assert_array_equal(new_image[..., 0], new_label)
        counts[list(_flipped_axes(label, new_label))] += 1
    allowed = np.array([axis in flip_axes for axis in "xyz"])
    assert (counts[~allowed] == 0).all()
    assert (counts[allowed] >= 10).all() and (counts[allowed] <= 30).all()


@pytest.mark.parametrize("probability, expected", [(0.0, ()), (1.0, (0, 1))])
def test_the_probability_decides(probability, expected):
    image, label = _case()
    for index in range(5):
        _, new_label = flip(image, label, [0, index], "xy", probability)
        assert _flipped_axes(label, new_label) == expected


def test_an_unknown_axis_is_refused():
    image, label = _case()
    with pytest.raises(ValueError, match="flip_axes must be of xyz, got 'xw'"):
        flip(image, label, [0, 0], "xw")
