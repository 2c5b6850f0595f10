"""From a volume in any orientation to a label map that lies over it."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation

from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import VolumePreprocessor

# The value of background need not be 0.
_LABEL_VALUES = (255, -3, 7)

_ORIENTATIONS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def _affine(permutation=(0, 1, 2), signs=(1, 1, 1)):
    """An oblique grid of the given axis order, 1.0 x 1.25 x 2.0 mm."""
    rotation = Rotation.from_euler("xyz", (7.0, -5.0, 9.0), degrees=True)
    axes = np.eye(3)[list(permutation)] * signs * np.array([1.0, 1.25, 2.0])
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() @ axes
    affine[:3, 3] = (11.0, -30.0, 5.0)
    return affine


def _class_ids(shape=(18, 16, 13)):
    """Two boxes that no flip and no exchange of axes maps to themselves."""
    class_ids = np.zeros(shape, np.int32)
    class_ids[2:12, 3:9, 1:6] = 1
    class_ids[8:16, 9:14, 7:11] = 2
    return class_ids


def _image(class_ids):
    """An image with one channel per foreground class, bright at its voxels."""
    is_class = class_ids[..., np.newaxis] == np.array([1, 2])
    return 100.0 + 50.0 * is_class.astype(np.float32)


def _sample(image, seed):
    """Foreground: voxels brighter than the middle of the range of a channel."""
    del seed
    low = tf.reduce_min(image, axis=[1, 2, 3], keepdims=True)
    high = tf.reduce_max(image, axis=[1, 2, 3], keepdims=True)
    is_class = tf.cast(image > (low + high) / 2.0, tf.float32)
    background = 1.0 - tf.reduce_max(is_class, axis=-1, keepdims=True)
    return tf.concat([background, is_class], axis=-1)


def _segment(class_ids, affine, **preprocessing):
    """Label map of the image of these classes."""
    preprocessor = VolumePreprocessor(**preprocessing)
    segmenter = Segmenter(_sample, preprocessor, _LABEL_VALUES)
    return segmenter(_image(class_ids), affine.astype(np.float32), 0)


def _dice(first, second):
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS)
def test_the_label_map_lies_over_the_volume(permutation, signs):
    class_ids = _class_ids()
    expected = np.take(_LABEL_VALUES, class_ids)
    for volume_shape in (None, (20, 21, 22)):
        label = _segment(
            class_ids, _affine(permutation, signs), volume_shape=volume_shape
        )
        assert label.dtype == tf.int32
        np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize("index, orientation", list(enumerate(_ORIENTATIONS[::5])))
def test_a_resampled_label_map_still_lies_over_the_volume(index, orientation):
    class_ids = _class_ids()
    label = _segment(
        class_ids,
        _affine(*orientation),
        spacing_mm=(0.9, 0.9, 0.9),
        volume_shape=(32, 33, 34) if index % 2 else None,
    ).numpy()
    assert label.shape == class_ids.shape
    assert set(np.unique(label)) == set(_LABEL_VALUES)
    for class_id, value in enumerate(_LABEL_VALUES[1:], 1):
        truth = class_ids == class_id
        overlap = _dice(label == value, truth)
        assert overlap > 0.95
        # Moved by one voxel, or flipped, it overlaps less.
        for axis in range(3):
            for moved in (np.roll(label, 1, axis), np.roll(label, -1, axis)):
                assert _dice(moved == value, truth) < overlap
            assert _dice(np.flip(label, axis) == value, truth) < overlap


def test_voxels_that_are_cropped_away_are_background():
    class_ids = np.ones((9, 8, 7), np.int32)
    class_ids[4, 4, 3] = 2
    class_ids[4, 4, 4] = 0
    expected = np.full(class_ids.shape, _LABEL_VALUES[0])
    inside = slice(2, 7), slice(2, 6), slice(2, 5)
    expected[inside] = np.take(_LABEL_VALUES, class_ids[inside])
    label = _segment(class_ids, _affine(), volume_shape=(5, 4, 3))
    np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize("seed", [7, np.int32(7), tf.constant(7)])
def test_the_seed_reaches_the_sample_function_in_a_batch_of_one(seed):
    seen = []

    def sample(image, seed):
        seen.append((image.shape, np.array(seed)))
        return _sample(image, seed)

    segmenter = Segmenter(sample, VolumePreprocessor(), _LABEL_VALUES)
    image = np.random.default_rng(0).normal(size=(4, 5, 6, 2)).astype(np.float32)
    segmenter(image, np.eye(4, dtype=np.float32), seed)
    ((shape, seeds),) = seen
    assert shape == (1, 4, 5, 6, 2)
    np.testing.assert_array_equal(seeds, [7])


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::9])
def test_a_crop_to_the_foreground_is_undone(permutation, signs):
    # The image is flat but for the two classes: all else is cropped away.
    class_ids, affine = _class_ids(), _affine(permutation, signs).astype(np.float32)
    preprocessor = VolumePreprocessor(crop_to_foreground=True)
    image = _image(class_ids)
    assert np.prod(preprocessor(image, affine)[0].shape[:3]) < class_ids.size / 2
    expected = np.array(_LABEL_VALUES)[class_ids]
    segmenter = Segmenter(_sample, preprocessor, _LABEL_VALUES)
    np.testing.assert_array_equal(segmenter(image, affine, 0), expected)
    prediction = segmenter.predict(image, affine, 0)
    np.testing.assert_array_equal(prediction.class_ids, class_ids)


@pytest.mark.parametrize(
    "preprocessing", [{}, {"spacing_mm": (0.9, 1.1, 1.3)}, {"crop_to_foreground": True}]
)
def test_a_graph_of_unknown_shapes_gives_the_eager_label_map(preprocessing):
    segmenter = Segmenter(_sample, VolumePreprocessor(**preprocessing), _LABEL_VALUES)
    graph = tf.function(
        segmenter,
        input_signature=[
            tf.TensorSpec([None, None, None, 2]),
            tf.TensorSpec([4, 4]),
            tf.TensorSpec([], tf.int32),
        ],
    )
    for permutation, signs in _ORIENTATIONS[::17]:
        affine = _affine(permutation, signs).astype(np.float32)
        image = _image(_class_ids())
        np.testing.assert_array_equal(
            graph(image, affine, 1), segmenter(image, affine, tf.constant(1))
        )
