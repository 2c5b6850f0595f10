"""Samples of one image share its encoding."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import initial_noise
from tf_diffseg.inference import (
    Segmenter,
    SlidingWindow,
    ensemble_mean,
    flipped_mean,
    steps_last,
)
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving.served_model import ServedModel
from tf_diffseg.serving.stored_weights import StoredWeights
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D
from tf_diffseg.training.several_samples import each_sample

_AFFINE = np.diag([1.0, -1.0, 1.2, 1.0]).astype(np.float32)
_WINDOW = (6, 8, 6)
_NUM_STEPS = 2


class _Sampler:
    """Stands for a network of two branches, and counts its encodings when they run."""

    def __init__(self):
        self.num_encodings = tf.Variable(0, trainable=False)

    def sample_trajectory(self, image, seed):
        self.num_encodings.assign_add(1)
        features = tf.cumsum(image, axis=1) - 0.5  # It depends on the direction.

        def draw(seed):
            noise = initial_noise(seed, tf.concat([tf.shape(image)[:4], [3]], axis=0))
            steps = [tf.nn.softmax(features * n + noise) for n in range(_NUM_STEPS)]
            return tf.stack(steps)

        return each_sample(draw, seed)

    def sample(self, image, seed):
        return self.sample_trajectory(image, seed)[-1]


@pytest.fixture
def sampler():
    return _Sampler()


def _image(shape=(9, 8, 6)):
    return np.random.default_rng(1).normal(size=(*shape, 1)).astype(np.float32)


def _windows(sample, axes=(), steps=()):
    return SlidingWindow(flipped_mean(sample, axes), _WINDOW, (*steps, 3))


def _segmenters(sample):
    """Segmenters that share encodings, and that do not."""
    return [
        Segmenter(sample, VolumePreprocessor(), range(3), shares_encoding=shares)
        for shares in (True, False)
    ]


def _predictions(sampler, sample, num_samples, shape=(9, 8, 6)):
    """Predictions with and without sharing, in a graph, and their encodings."""
    predictions, counts = [], []
    for segmenter in _segmenters(sample):
        sampler.num_encodings.assign(0)
        predict = tf.function(segmenter.predict, autograph=False)
        image = tf.constant(_image(shape))
        predictions.append(predict(image, _AFFINE, 5, num_samples=num_samples))
        counts.append(int(sampler.num_encodings))
    return predictions, counts


def _assert_equal(predictions):
    for name, one, other in zip(predictions[0]._fields, *predictions, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize(
    "shape, axes, num_images, num_samples",
    [
        pytest.param(_WINDOW, (), 1, 3, marks=pytest.mark.slow),
        ((9, 8, 6), (0,), 4, 2),
        pytest.param((9, 8, 9), (), 4, 1, marks=pytest.mark.slow),
    ],
)
def test_each_window_and_mirror_image_is_encoded_once(
    sampler, shape, axes, num_images, num_samples
):
    windows = _windows(sampler.sample, axes)
    predictions, counts = _predictions(sampler, windows, num_samples, shape)
    assert counts == [num_images, num_images * num_samples]
    _assert_equal(predictions)
    assert np.any(predictions[0].variance) == (num_samples > 1)


@pytest.mark.slow
def test_steps_and_ensembles_are_those_of_single_samples(sampler):
    supervised = SegmentationUNet3D(3, num_channels=(4,), num_heads=0)
    sample = ensemble_mean(
        [
            _windows(steps_last(sampler.sample_trajectory), steps=(_NUM_STEPS,)),
            _windows(steps_last(supervised.sample_trajectory), steps=(1,)),
        ]
    )
    predictions, counts = _predictions(sampler, sample, 3)
    assert counts == [2, 6]
    assert predictions[0].step_class_ids.shape[0] == _NUM_STEPS
    _assert_equal(predictions)


def test_few_samples_of_a_large_volume_are_held_at_a_time(sampler, monkeypatch):
    limit = "tf_diffseg.inference.segmenter._MAX_VOXELS_AT_A_TIME"
    monkeypatch.setattr(limit, 2 * _image().size + 1)
    predictions, counts = _predictions(sampler, _windows(sampler.sample), 5)
    assert counts == [2 * 3, 2 * 5]
    # Sums of two samples are added up, which rounds differently.
    for one, other in zip(*predictions, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow
def test_an_export_encodes_each_image_once(sampler):
    model = SegmentationUNet3D(3, num_channels=(4,), num_heads=0)
    images = tf.stack([_image(), -_image()])
    affines, seeds = tf.stack([_AFFINE, np.eye(4, dtype="f4")]), tf.constant([3, 4])
    outputs, counts = [], []
    for segmenter in _segmenters(_windows(sampler.sample)):
        weights = StoredWeights(model, "float32")
        served = ServedModel(segmenter, 1, weights, num_samples=3).signatures()
        for name, inputs in {
            "serving_default": {"image": images, "seed": seeds},
            "segment_volume": {"image": images, "affine": affines, "seed": seeds},
        }.items():
            sampler.num_encodings.assign(0)
            outputs.append(served[name](**inputs))
            counts.append(int(sampler.num_encodings))
    assert counts == [4, 4, 12, 12]
    for shared, alone in zip(outputs[:2], outputs[2:], strict=True):
        for name in shared:
            np.testing.assert_array_equal(shared[name], alone[name], err_msg=name)
