"""Scans with voxel sizes far from the training cases' are resampled, others are not."""

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
        # Only a comparison that ignores the order of axes would accept this.
        ((2.0, 1.1, 1.0), True),
    ],
)
@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::11])
def test_each_axis_of_the_world_may_differ_by_a_quarter(
    spacing_mm, is_outside, permutation, signs
):
    fitted = FittedPreprocessor(_TRAINED)
    affine = _affine(spacing_mm, permutation, signs)
    assert bool(fitted.is_outside(affine)) == is_outside


@pytest.mark.parametrize(
    "volume_shape, crop_to_foreground, intensity, in_graph",
    [
        (None, False, "zscore", True),
        ((12, 14, 10), False, "percentile", False),
        (None, True, "percentile", False),
        ((12, 14, 10), True, "zscore", False),
    ],
)
def test_scan_within_a_quarter_keeps_every_bit(
    volume_shape, crop_to_foreground, intensity, in_graph
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

    def there_and_back(image, affine):
        stored, stored_affine, source, _ = fitted.preprocess(image, affine)
        restored = fitted.restore(stored, source)
        return stored, stored_affine, restored, fitted.from_stored(stored, source)

    if in_graph:
        there_and_back = tf.function(there_and_back, autograph=False)
    found = there_and_back(image, affine)
    stored, stored_affine, source, _ = plain.preprocess(image, affine)
    expected = stored, stored_affine, plain.restore(stored, source), stored
    for found_part, expected_part in zip(found, expected, strict=True):
        np.testing.assert_array_equal(found_part, expected_part)


@pytest.mark.parametrize("volume_shape", [None, (16, 24, 14)])
@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::7])
def test_scan_outside_is_resampled_in_its_place(volume_shape, permutation, signs):
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
    _, resampled = fitted.grid_sizes(SourceGrid(image.shape[:3], affine))
    assert resampled.numpy().tolist() == [18, 22, 16]


@pytest.mark.parametrize("crop_to_foreground", [False, True])
@pytest.mark.parametrize("volume_shape", [None, (16, 24, 14)])
def test_image_of_a_shard_gives_the_input_of_a_file(crop_to_foreground, volume_shape):
    preprocessing = {
        "volume_shape": volume_shape,
        "crop_to_foreground": crop_to_foreground,
    }
    fitted = FittedPreprocessor(_TRAINED, **preprocessing)
    image, affine = _volume((9, 11, 8)), _affine((2.0, 2.2, 4.0))
    image[:2] = image.min(axis=(0, 1, 2))
    expected, _, source, _ = fitted.preprocess(image, affine)
    stored, _ = VolumePreprocessor(**preprocessing)(image, affine)
    np.testing.assert_array_equal(fitted.from_stored(stored, source), expected)


def _class_ids(shape=(18, 16, 13)):
    class_ids = np.zeros(shape, np.int32)
    class_ids[2:12, 3:9, 1:6] = 1
    class_ids[8:16, 9:14, 7:11] = 2
    return class_ids


def _sample_of(shapes):
    """Finds foreground if a channel is bright, and appends each input's shape."""

    def sample(image, seed):
        del seed
        shapes.append(tuple(image.shape[1:4]))
        low = tf.reduce_min(image, axis=[1, 2, 3], keepdims=True)
        high = tf.reduce_max(image, axis=[1, 2, 3], keepdims=True)
        is_class = tf.cast(image > (low + high) / 2.0, tf.float32)
        background = 1.0 - tf.reduce_max(is_class, axis=-1, keepdims=True)
        return tf.concat([background, is_class], axis=-1)

    return sample


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::17])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_result_lies_over_the_scan_that_was_resampled(permutation, signs, factor):
    class_ids = _class_ids()
    if factor < 1.0:  # otherwise too few voxels are left
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
    # The preprocessed results lie on the grid of a shard.
    source = SourceGrid(class_ids.shape, affine)
    expected = VolumePreprocessor().label(prediction.class_ids, source)
    np.testing.assert_array_equal(prediction.preprocessed_class_ids, expected)
    assert prediction.preprocessed_entropy.shape == expected.shape


def test_equal_spacings_are_a_range():
    assert not TrainedSpacing((1, 1, 1), (1, 1, 1), (1, 1, 1)).is_outside((1, 1, 1))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="spacing_mm must be None"):
        FittedPreprocessor(_TRAINED, spacing_mm=(1, 1, 1))
    with pytest.raises(ValueError, match="along every axis"):
        TrainedSpacing((1, 1, 1), (0.5, 1, 1), (2, 2, 2))
    with pytest.raises(ValueError, match="expected 0 < smallest_mm"):
        TrainedSpacing((0, 1, 1), (1, 1, 1), (2, 2, 2))
    with pytest.raises(ValueError, match="must be 3 numbers"):
        TrainedSpacing((1, 1), (1, 1), (2, 2))
