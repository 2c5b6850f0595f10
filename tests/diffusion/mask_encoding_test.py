"""From labels to x_start, and back from logits."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import (
    MaskEncoding,
    label_to_mask,
    label_to_region_mask,
    logits_to_probabilities,
    logits_to_x_start,
    mask_to_x_start,
    probabilities_to_label,
    x_start_to_probabilities,
)


def test_label_becomes_one_hot():
    label = np.array([[[0, 1], [2, 0]]], np.uint8)

    mask = label_to_mask(label, num_classes=3)

    assert mask.shape == (1, 2, 2, 3)
    assert mask.dtype == tf.float32
    np.testing.assert_array_equal(np.argmax(mask, -1), label)
    np.testing.assert_array_equal(np.sum(mask, -1), 1.0)


def test_regions_of_labels_may_overlap():
    mask = label_to_region_mask(np.array([0, 1, 2, 4]), [(1, 2, 4), (1, 4), (4,)])

    expected = [[0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert mask.dtype == tf.float32
    np.testing.assert_array_equal(mask, expected)


def test_regions_of_volumes_are_those_of_each_voxel():
    label = np.random.default_rng(0).integers(0, 4, [2, 3, 4, 5])
    regions = [(1, 3), (2,)]
    mask = label_to_region_mask(label, regions)
    expected = np.stack([np.isin(label, region) for region in regions], axis=-1)
    np.testing.assert_array_equal(mask, expected)


def test_the_last_region_of_a_voxel_gives_its_label():
    probabilities = np.array(
        [[0.1, 0.1, 0.5], [0.9, 0.1, 0.1], [0.9, 0.6, 0.4], [0.6, 0.3, 0.8]], np.float32
    )
    label = probabilities_to_label(probabilities, region_labels=[2, 1, 4])
    assert label.dtype == tf.int32
    np.testing.assert_array_equal(label, [0, 2, 1, 4])
    np.testing.assert_array_equal(probabilities_to_label(probabilities), [2, 0, 0, 2])


def test_x_start_of_a_mask_is_minus_one_or_one_and_comes_back():
    mask = label_to_mask(np.array([0, 1, 2]), 3)

    x_start = mask_to_x_start(mask)

    np.testing.assert_array_equal(np.unique(x_start), [-1.0, 1.0])
    np.testing.assert_array_equal(x_start_to_probabilities(x_start), mask)
    clipped = x_start_to_probabilities([-3.0, 0.0, 3.0])
    np.testing.assert_array_equal(clipped, [0.0, 0.5, 1.0])


def test_exclusive_logits_match_reference_values(golden_diffusion):
    case = golden_diffusion["case"]
    x_start = logits_to_x_start(np.asarray(case["logits"]), "exclusive")
    np.testing.assert_allclose(x_start, case["x_start_pred"], rtol=0, atol=1e-12)


def test_exclusive_probabilities_sum_to_one_and_overlapping_stand_alone():
    logits = tf.constant([[2.0, 2.0, -2.0]])

    exclusive = logits_to_probabilities(logits, MaskEncoding.EXCLUSIVE)
    overlapping = logits_to_probabilities(logits, MaskEncoding.OVERLAPPING)

    np.testing.assert_allclose(np.sum(exclusive), 1.0, rtol=1e-6)
    expected = 1.0 / (1.0 + np.exp([[-2.0, -2.0, 2.0]]))
    np.testing.assert_allclose(overlapping, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "encoding, half", [("exclusive", tf.float16), ("overlapping", tf.bfloat16)]
)
def test_half_precision_logits_are_computed_in_float32(encoding, half):
    logits = tf.cast([[3.1, -1.7, 0.4]], half)

    x_start = logits_to_x_start(logits, encoding)

    assert x_start.dtype == tf.float32
    expected = logits_to_x_start(tf.cast(logits, tf.float32), encoding)
    np.testing.assert_array_equal(x_start, expected)


def test_labels_of_regions_have_the_shape_of_the_volume():
    probabilities = np.random.default_rng(0).random((2, 3, 4, 5, 2))
    label = probabilities_to_label(probabilities, region_labels=[1, 4])
    expected = np.where(probabilities[..., 0] > 0.5, 1, 0)
    expected = np.where(probabilities[..., 1] > 0.5, 4, expected)
    np.testing.assert_array_equal(label, expected)
    np.testing.assert_array_equal(probabilities_to_label(probabilities, []), 0)
    assert probabilities_to_label(probabilities, []).shape == (2, 3, 4, 5)


def test_the_label_of_a_voxel_is_its_likeliest_class():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 3, 4, 5))
    label = probabilities_to_label(probabilities)
    np.testing.assert_array_equal(label, probabilities.argmax(axis=-1))
