"""Streaming Dice: against Dice volume by volume, in batches and on replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.commands import run_module
from tf_diffseg.metrics.dice import dice_score, dice_score_from_masks
from tf_diffseg.metrics.streaming_dice import StreamingDice


@pytest.fixture
def labels():
    """Ground truth and predictions of 6 volumes; only the last two have class 3."""
    rng = np.random.default_rng(0)
    ground_truth = rng.integers(3, size=(6, 4, 4, 4))
    predicted = np.where(rng.random((6, 4, 4, 4)) < 0.7, ground_truth, 0)
    ground_truth[4, 0, 0] = 3  # Missed.
    predicted[5, 0, 0] = 3  # Invented.
    ground_truth[5, 1, 0], predicted[5, 1, 0] = 3, 3
    return ground_truth, predicted


def mean_of_volumes(scores):
    """Per-class mean and number of volumes over which Dice is defined."""
    dice, is_defined = (np.stack(x) for x in zip(*scores, strict=True))
    counts = is_defined.sum(0)
    return (dice * is_defined).sum(0) / np.maximum(counts, 1), counts


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_result_is_the_mean_of_dice_of_each_volume(labels, batch_size):
    metric = StreamingDice(num_classes=5)
    for start in range(0, 6, batch_size):
        batch = slice(start, start + batch_size)
        metric.update_state(*(label[batch] for label in labels))

    scores = [dice_score(*pair, num_classes=5) for pair in zip(*labels, strict=True)]
    expected, counts = mean_of_volumes(scores)
    np.testing.assert_array_equal(counts, [6, 6, 6, 2, 0])
    np.testing.assert_allclose(metric.per_class(), expected, rtol=1e-6)
    np.testing.assert_array_equal(metric.absent_counts(), 6 - counts)
    np.testing.assert_allclose(metric.result(), expected[1:4].mean(), rtol=1e-6)


def test_background_can_be_included(labels):
    metric = StreamingDice(num_classes=5, include_background=True)
    metric.update_state(*labels)
    expected = np.mean(metric.per_class()[:4])
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-6)


def test_masks_of_overlapping_classes():
    rng = np.random.default_rng(0)
    masks = rng.integers(2, size=(2, 3, 4, 4, 4, 2))
    masks[:, 0, ..., 1] = 0
    metric = StreamingDice(num_classes=2, from_masks=True, include_background=True)

    metric.update_state(*masks)

    scores = [dice_score_from_masks(*pair) for pair in zip(*masks, strict=True)]
    expected, counts = mean_of_volumes(scores)
    np.testing.assert_array_equal(counts, [3, 2])
    np.testing.assert_allclose(metric.per_class(), expected, rtol=1e-6)
    np.testing.assert_allclose(metric.result(), expected.mean(), rtol=1e-6)


def test_weight_zero_leaves_out_an_example(labels):
    padded, plain = StreamingDice(num_classes=4), StreamingDice(num_classes=4)
    padded.update_state(*labels, sample_weight=[1, 1, 1, 1, 0, 0])
    plain.update_state(*(label[:4] for label in labels))

    np.testing.assert_allclose(padded.per_class(), plain.per_class(), rtol=1e-6)
    np.testing.assert_array_equal(padded.absent_counts(), [0, 0, 0, 4])


def test_result_is_zero_before_any_volume_and_after_a_reset(labels):
    metric = StreamingDice(num_classes=4)
    assert metric.result() == 0.0
    metric.update_state(*labels)
    assert metric.result() > 0.0
    metric.reset_state()
    assert metric.result() == 0.0
    np.testing.assert_array_equal(metric.absent_counts(), 0.0)


def test_graph_with_unknown_sizes_agrees_with_eager(labels):
    graph_metric, metric = StreamingDice(num_classes=4), StreamingDice(num_classes=4)
    label = tf.TensorSpec([None, None, None, None], tf.int32)
    update = tf.function(
        lambda g, p: graph_metric.update_state(g, p), input_signature=[label, label]
    )

    update(*(tf.cast(label, tf.int32) for label in labels))
    metric.update_state(*labels)

    np.testing.assert_allclose(graph_metric.result(), metric.result(), rtol=1e-6)


def test_mixed_precision_policy_keeps_sums_in_float32(labels):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        metric = StreamingDice(num_classes=4)
        metric.update_state(*labels)
    finally:
        keras.config.set_dtype_policy(policy)

    assert all(variable.dtype == "float32" for variable in metric.variables)
    assert metric.result().dtype == tf.float32


def test_serialization_keeps_the_config():
    metric = StreamingDice(3, include_background=True, from_masks=True, name="regions")
    saved = keras.saving.serialize_keras_object(metric)
    copy = keras.saving.deserialize_keras_object(saved)
    assert isinstance(copy, StreamingDice)
    assert copy.get_config() == metric.get_config()


def test_two_replicas_agree_with_one():
    done = run_module("tests.metrics.two_replicas")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("from_masks", [False, True])
def test_unlabelled_voxels_and_examples_without_others_are_left_out(from_masks):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(3, size=(2, 3, 4, 4, 4))
    is_labelled = np.zeros([3, 4, 4, 4], bool)
    is_labelled[0, 1, 2:], is_labelled[1] = True, True
    metric = StreamingDice(3, include_background=True, from_masks=from_masks)

    encoded = [np.eye(3)[each] if from_masks else each for each in (truth, predicted)]
    metric.update_state(*encoded, is_labelled=tf.constant(is_labelled))

    scores = [
        dice_score(truth[i][is_labelled[i]], predicted[i][is_labelled[i]], 3)
        for i in range(2)
    ]
    expected, _ = mean_of_volumes(scores)
    np.testing.assert_allclose(metric.per_class(), expected, rtol=1e-6)
    np.testing.assert_array_equal(metric.absent_counts(), [0, 0, 0])


def test_a_single_voxel_that_is_missed_counts():
    metric = StreamingDice(2)
    metric.update_state([[[[1, 0]]]], [[[[0, 0]]]])
    np.testing.assert_array_equal(metric.absent_counts(), [0, 0])
