"""Streaming Dice: against Dice volume by volume, in batches and on replicas."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_diffseg.metrics
from tf_diffseg.metrics.dice import dice_score, dice_score_from_masks
from tf_diffseg.metrics.streaming_dice import StreamingDice

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def labels():
    """Ground truth and predictions of 6 volumes; class 3 is in the last ones only."""
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
def test_is_the_mean_of_dice_volume_by_volume(labels, batch_size):
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
    np.testing.assert_allclose(
        metric.result(), np.mean(metric.per_class()[:4]), rtol=1e-6
    )


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


def test_is_zero_before_any_volume_and_after_a_reset(labels):
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


def test_counts_in_float32_under_a_mixed_precision_policy(labels):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        metric = StreamingDice(num_classes=4)
        metric.update_state(*labels)
    finally:
        keras.config.set_dtype_policy(policy)

    assert all(variable.dtype == "float32" for variable in metric.variables)
    assert metric.result().dtype == tf.float32


def test_survives_serialization():
    metric = StreamingDice(3, include_background=True, from_masks=True, name="regions")

    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )

    assert isinstance(copy, StreamingDice)
    assert copy.get_config() == metric.get_config()


_TWO_REPLICAS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
from tf_diffseg.metrics import StreamingDice
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    metric = StreamingDice(num_classes=3)
ground_truth = tf.constant([[0, 1, 1, 0], [0, 1, 1, 2]])
predicted = tf.constant([[0, 1, 0, 0], [0, 1, 1, 0]])

@tf.function
def update(ground_truth, predicted):
    strategy.run(metric.update_state, (ground_truth, predicted))

dataset = tf.data.Dataset.from_tensor_slices((ground_truth, predicted)).batch(2)
for batch in strategy.experimental_distribute_dataset(dataset):
    update(*batch)
    update(*batch)
single = StreamingDice(num_classes=3)
single.update_state(ground_truth, predicted)
single.update_state(ground_truth, predicted)
for replicated, expected in zip(metric.variables, single.variables):
    tf.debugging.assert_near(tf.convert_to_tensor(replicated.value), expected.value)
tf.debugging.assert_near(metric.result(), single.result())
tf.debugging.assert_near(metric.per_class(), single.per_class())
assert metric.absent_counts()[2] == 2.0, metric.absent_counts()
assert strategy.num_replicas_in_sync == 2
"""


def test_two_replicas_agree_with_one():
    result = subprocess.run(
        [sys.executable, "-c", _TWO_REPLICAS],
        cwd=_ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr


def test_every_public_name_loads():
    assert "StreamingDice" in tf_diffseg.metrics.__all__
    for name in tf_diffseg.metrics.__all__:
        assert getattr(tf_diffseg.metrics, name).__name__ == name
