"""Scans of voxels unlike the training data's, and those that are left alone."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation

from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import (
    FittedPreprocessor,
    SourceGrid,
    TrainedSpacing,
    VolumePreprocessor,
)

_TRAINED = TrainedSpacing((0.9, 1.0, 1.8), (1.0, 1.1, 2.0), (1.2, 1.2, 2.5))
_ORIENTATIONS = list(
    itertools.product(
        itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)
    )
)


def _affine(spacing_mm, permutation=(0, 1, 2), signs=(1, 1, 1)):
    """An oblique grid whose world axes have these spacings, x, y and z."""
    rotation = Rotation.from_euler("xyz", (7.0, -5.0, 9.0), degrees=True)
    axes = (np.eye(3) * spacing_mm)[:, list(permutation)] * signs
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() @ axes
    affine[:3, 3] = (11.0, -30.0, 5.0)
    return affine.astype(np.float32)


def _volume(shape, permutation=(0, 1, 2)):
    """A volume that has `shape` in RAS+."""
    own_shape = np.array(shape)[list(permutation)]
    return np.random.default_rng(0).normal(50.0, 9.0, (*own_shape, 2)).astype("f4")


@pytest.mark.parametrize(
    "spacing_mm, is_outside",
    [
        ((1.0, 1.1, 2.0), False),
        # A quarter below the smallest, or above the largest, of each axis.
        ((0.675, 0.75, 1.35), False),
        ((1.5, 1.5, 3.125), False),
        ((0.66, 1.1, 2.0), True),
        ((1.0, 0.74, 2.0), True),
        ((1.0, 1.1, 1.33), True),
        ((1.53, 1.1, 2.0), True),
        ((1.0, 1.53, 2.0), True),
        ((1.0, 1.1, 3.2), True),
        # In order of size it would fit: axes are told apart.
        ((2.0, 1.1, 1.0), True),
    ],
)
@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::11])
def test_a_quarter_is_let_pass_along_each_axis_of_the_world(
    spacing_mm, is_outside, permutation, signs
):
    fitted = FittedPreprocessor(_TRAINED)
    assert bool(fitted.is_outside(_affine(spacing_mm, permutation, signs))) == (
        is_outside
    )


@pytest.mark.parametrize("volume_shape", [None, (12, 14, 10)])
@pytest.mark.parametrize("crop_to_foreground", [False, True])
@pytest.mark.parametrize("intensity", ["zscore", "percentile"])
def test_a_scan_within_a_quarter_keeps_every_bit(
    volume_shape, crop_to_foreground, intensity
):
    preprocessing = {
        "volume_shape": volume_shape,
        "intensity": intensity,
        "crop_to_foreground": crop_to_foreground,
    }
    plain = VolumePreprocessor(**preprocessing)
    fitted = FittedPreprocessor(_TRAINED, **preprocessing)
    affine = _affine((1.5, 0.8, 3.0), (2, 0, 1), (1, -1, -1))
    image = _volume((13, 11, 9), (2, 0, 1))
    image[:2] = image.min(axis=(0, 1, 2))
    source = plain.locate(image, affine)
    expected, expected_affine = plain(image, affine)
    for run in (lambda f: f, tf.function):
        found, found_affine = run(fitted.__call__)(image, affine)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found_affine, expected_affine)
        np.testing.assert_array_equal(
            run(fitted.restore)(expected, source), plain.restore(expected, source)
        )
        np.testing.assert_array_equal(
            run(fitted.from_stored)(expected, source), expected
        )


@pytest.mark.parametrize("volume_shape", [None, (16, 24, 14)])
@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::7])
def test_a_scan_outside_comes_to_the_median_where_it_lies(
    volume_shape, permutation, signs
):
    shape, spacing_mm = (9, 11, 8), (2.0, 2.2, 4.0)
    image = _volume(shape, permutation)
    affine = _affine(spacing_mm, permutation, signs)
    fitted = FittedPreprocessor(_TRAINED, volume_shape=volume_shape, intensity="none")
    expected, expected_affine = VolumePreprocessor(
        (1.0, 1.1, 2.0), volume_shape, "none"
    )(image, affine)
    found, found_affine = fitted(image, affine)
    assert found.shape == (volume_shape or (18, 22, 16)) + (2,)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_allclose(found_affine, expected_affine, atol=1e-4)
    source = SourceGrid(image.shape[:3], affine)
    assert fitted.grid_sizes(source)[1].numpy().tolist() == [
        18.0,
        22.0,
        16.0,
    ]


@pytest.mark.parametrize("crop_to_foreground", [False, True])
@pytest.mark.parametrize("volume_shape", [None, (16, 24, 14)])
def test_an_image_from_a_shard_becomes_what_one_from_a_file_does(
    crop_to_foreground, volume_shape
):
    preprocessing = {
        "volume_shape": volume_shape,
        "crop_to_foreground": crop_to_foreground,
    }
    fitted = FittedPreprocessor(_TRAINED, **preprocessing)
    image, affine = _volume((9, 11, 8)), _affine((2.0, 2.2, 4.0))
    image[:2] = image.min(axis=(0, 1, 2))
    source = fitted.locate(image, affine)
    stored, _ = VolumePreprocessor(**preprocessing)(image, affine)
    np.testing.assert_array_equal(
        fitted.from_stored(stored, source), fitted(image, affine)[0]
    )


def _class_ids(shape=(18, 16, 13)):
    class_ids = np.zeros(shape, np.int32)
    class_ids[2:12, 3:9, 1:6] = 1
    class_ids[8:16, 9:14, 7:11] = 2
    return class_ids


def _sample_of(shapes):
    """Foreground where a channel is bright; notes the shapes that it is shown."""

    def sample(image, seed):
        del seed
        shapes.append(tuple(image.shape[1:4]))
        low = tf.reduce_min(image, axis=[1, 2, 3], keepdims=True)
        high = tf.reduce_max(image, axis=[1, 2, 3], keepdims=True)
        is_class = tf.cast(image > (low + high) / 2.0, tf.float32)
        background = 1.0 - tf.reduce_max(is_class, axis=-1, keepdims=True)
        return tf.concat([background, is_class], axis=-1)

    return sample


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::9])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_the_result_lies_over_a_scan_that_was_resampled(permutation, signs, factor):
    class_ids = _class_ids()
    if factor < 1.0:  # or too little would be left of it
        class_ids = class_ids.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    is_class = class_ids[..., np.newaxis] == np.array([1, 2])
    image = 100.0 + 50.0 * is_class.astype(np.float32)
    spacing_mm = factor * np.array([1.0, 1.1, 2.0])
    affine, shapes = _affine(spacing_mm, permutation, signs), []
    segmenter = Segmenter(_sample_of(shapes), FittedPreprocessor(_TRAINED), (0, 1, 2))
    prediction = segmenter.predict(image, affine, 0)
    ras_shape = np.array(class_ids.shape)[np.argsort(permutation)]
    # `permutation` says which world axis each voxel axis is.
    assert shapes == [tuple(np.rint(ras_shape * factor).astype(int))]
    for class_id in (1, 2):
        found, truth = prediction.class_ids == class_id, class_ids == class_id
        overlap = 2 * np.sum(found & truth) / (np.sum(found) + np.sum(truth))
        assert overlap > 0.9
    assert prediction.entropy.shape == class_ids.shape
    assert prediction.probabilities.shape == (*class_ids.shape, 3)
    np.testing.assert_allclose(tf.reduce_sum(prediction.probabilities, -1), 1, 1e-5)
    # Of a shard, with the image that lies there.
    stored = VolumePreprocessor()(image, affine)[0]
    assert prediction.preprocessed_class_ids.shape == stored.shape[:3]
    np.testing.assert_array_equal(
        prediction.preprocessed_class_ids,
        VolumePreprocessor().label(
            prediction.class_ids, SourceGrid(class_ids.shape, affine)
        ),
    )
    assert prediction.preprocessed_entropy.shape == stored.shape[:3]


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="spacing_mm must be None"):
        FittedPreprocessor(_TRAINED, spacing_mm=(1, 1, 1))
    with pytest.raises(ValueError, match="along every axis"):
        TrainedSpacing((1, 1, 1), (0.5, 1, 1), (2, 2, 2))
    with pytest.raises(ValueError, match="must be 3 numbers"):
        TrainedSpacing((1, 1), (1, 1), (2, 2))
