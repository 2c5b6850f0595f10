"""Preprocessing and the way back, in every orientation."""

import itertools
import json

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation

from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor

_ORIENTATIONS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
_NUM_CLASSES = 4


def _case(permutation=(0, 1, 2), signs=(1, 1, 1), shape=(11, 10, 9), degrees=8.0):
    """Smooth random image and label on a grid of the given orientation."""
    rng = np.random.default_rng(7)
    image = rng.normal(100.0, 20.0, (*shape, 1)).astype(np.float32)
    label = rng.integers(0, _NUM_CLASSES, shape).astype(np.int32)
    rotation = Rotation.from_euler("xyz", (degrees, -degrees, degrees), degrees=True)
    affine = np.eye(4)
    axes = np.eye(3)[list(permutation)] * signs * np.array([0.9, 1.2, 1.7])
    affine[:3, :3] = rotation.as_matrix() @ axes
    affine[:3, 3] = (12.0, -30.0, 5.0)
    return image, label, affine


def _ball(affine, shape, radius_mm=12.0):
    """Class 1 in a ball about the centre of the field of view."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    offset = (index - (np.array(shape) - 1) / 2) @ affine[:3, :3].T
    return (np.linalg.norm(offset, axis=-1) < radius_mm).astype(np.int32)


def _dice(first, second):
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS)
def test_restore_is_exact_in_every_orientation(permutation, signs):
    image, label, affine = _case(permutation, signs)
    preprocessor = VolumePreprocessor(volume_shape=(16, 17, 18))
    source = preprocessor.locate(image, affine)
    probabilities = tf.one_hot(preprocessor.label(label, source), _NUM_CLASSES)
    restored = preprocessor.restore(probabilities, source)
    np.testing.assert_array_equal(restored, np.eye(_NUM_CLASSES)[label])


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::3])
@pytest.mark.parametrize("volume_shape", [None, (8, 14, 9)])
def test_world_positions_agree(permutation, signs, volume_shape):
    image, _, affine = _case(permutation, signs)
    preprocessor = VolumePreprocessor(volume_shape=volume_shape)
    processed, new_affine = preprocessor(image, affine)
    assert nib.aff2axcodes(new_affine.numpy()) == ("R", "A", "S")
    # Every processed voxel inside the file's grid holds the voxel at this place.
    index = np.stack(
        np.meshgrid(*map(np.arange, processed.shape[:3]), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    world = index @ new_affine[:3, :3].numpy().T + new_affine[:3, 3].numpy()
    back = np.linalg.inv(affine)
    source = np.rint(world @ back[:3, :3].T + back[:3, 3]).astype(int)
    inside = np.all((source >= 0) & (source < image.shape[:3]), axis=1)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(image[..., 0], affine))
    assert inside.sum() == np.prod(np.minimum(processed.shape[:3], canonical.shape))
    values = image[..., 0][tuple(source[inside].T)].astype(np.float64)
    expected = (values - image.mean(dtype=np.float64)) / image.std(dtype=np.float64)
    got = processed.numpy()[..., 0][tuple(index[inside].T)]
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::11])
@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("spacing_mm", [None, (0.7, 2.0, 1.3)])
@pytest.mark.parametrize("volume_shape", [None, (8, 14, 9)])
def test_grid_is_known_without_preprocessing(
    permutation, signs, crop, spacing_mm, volume_shape
):
    image, _, affine = _case(permutation, signs)
    image[:3] = image[:, 7:] = image.min()
    preprocessor = VolumePreprocessor(spacing_mm, volume_shape, crop_to_foreground=crop)
    source = preprocessor.locate(image, affine)
    np.testing.assert_array_equal(source.shape, image.shape[:3])
    processed, expected = preprocessor(image, affine)
    np.testing.assert_array_equal(preprocessor.stored_affine(source), expected)
    assert tuple(preprocessor.processed_shape(source).numpy()) == processed.shape[:3]


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 2.0, 1.2)])
@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::11])
def test_resampled_ball_comes_back(spacing_mm, permutation, signs):
    _, _, affine = _case(permutation, signs)
    label = _ball(affine, (36, 30, 24))
    preprocessor = VolumePreprocessor(spacing_mm=spacing_mm, volume_shape=(40, 40, 40))
    source = SourceGrid(label.shape, affine)
    processed = preprocessor.label(label, source)
    volume_mm3 = processed.numpy().sum() * np.prod(spacing_mm)
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 12.0**3, rel=0.05)
    probabilities = tf.one_hot(processed, 2)
    restored = preprocessor.restore(probabilities, source).numpy()
    assert restored.shape == (*label.shape, 2)
    np.testing.assert_allclose(restored.sum(axis=-1), 1.0, atol=1e-5)
    assert _dice(restored.argmax(axis=-1), label) > 0.95


@pytest.mark.parametrize("permutation, signs", _ORIENTATIONS[::5])
@pytest.mark.parametrize("volume_shape", [None, (14, 9, 12)])
def test_image_and_label_come_back_from_the_foreground(
    permutation, signs, volume_shape
):
    image, label, affine = _case(permutation, signs)
    empty = np.ones(label.shape, bool)
    empty[2:9, 1:8, 3:] = False
    image[empty], label[empty] = 0.0, 0
    preprocessor = VolumePreprocessor(None, volume_shape, crop_to_foreground=True)
    processed, new_affine, source, scaling = preprocessor.preprocess(image, affine)
    box = source.crop_box
    processed_label = preprocessor.label(label, source)
    assert processed.shape[:3] == processed_label.shape
    assert sorted(box[1].numpy()) == [6, 7, 7]
    restored = preprocessor.restore_label(processed_label, source)
    np.testing.assert_array_equal(restored, label)
    restored = preprocessor.restore_image(processed, source, scaling).numpy()
    np.testing.assert_allclose(restored[~empty], image[~empty], rtol=1e-5)
    assert np.all(restored[empty] <= restored[~empty].min())
    # The first voxel of the box is the first of the grid.
    if volume_shape is None:
        canonical = nib.as_closest_canonical(nib.Nifti1Image(image[..., 0], affine))
        np.testing.assert_allclose(
            new_affine[:3, 3], (canonical.affine @ [*box[0].numpy(), 1])[:3], rtol=1e-5
        )


def test_resampled_image_comes_back():
    image, label, affine = _case(shape=(24, 22, 20))
    index = np.stack(np.meshgrid(*map(np.arange, label.shape), indexing="ij"), -1)
    image = 100.0 + np.sin(index / 5.0).sum(-1, keepdims=True).astype(np.float32)
    preprocessor = VolumePreprocessor(spacing_mm=(0.8, 1.0, 1.5))
    volume = preprocessor.preprocess(image, affine)
    restored = preprocessor.restore_image(volume.image, volume.source, volume.scaling)
    assert restored.shape == image.shape
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(restored[inner], image[inner], atol=0.05)


def test_missing_box_is_refused():
    _, label, affine = _case()
    preprocessor = VolumePreprocessor(crop_to_foreground=True)
    for method in (preprocessor.label, preprocessor.restore_label):
        with pytest.raises(ValueError, match="crop_box must be given"):
            method(label, SourceGrid(label.shape, affine))


def test_image_and_label_share_one_grid():
    _, label, affine = _case(shape=(20, 19, 18))
    foreground = (label > 1).astype(np.int32)
    preprocessor = VolumePreprocessor(
        spacing_mm=(1.0, 1.0, 1.0),
        volume_shape=(24, 24, 24),
        intensity="ct_window",
        ct_window=(0.0, 1.0),  # a voxel half full of foreground becomes 0
    )
    image, _ = preprocessor(foreground[..., np.newaxis], affine)
    share = image.numpy()[..., 0]
    clear = np.abs(share) > 1e-4
    assert np.mean(clear) > 0.95  # half-way positions between classes are rare
    source = SourceGrid(label.shape, affine)
    processed = preprocessor.label(foreground, source).numpy()
    np.testing.assert_array_equal(share[clear] > 0, processed[clear] == 1)


@pytest.mark.parametrize("background_class, expected", [(0, 1.0), (None, 0.0)])
def test_cropped_voxels_become_background(background_class, expected):
    _, label, affine = _case()
    preprocessor = VolumePreprocessor(volume_shape=(4, 4, 4))
    probabilities = tf.one_hot(tf.ones((4, 4, 4), tf.int32), 3)
    source = SourceGrid(label.shape, affine)
    restored = preprocessor.restore(probabilities, source, background_class).numpy()
    if background_class == 0:  # As by default.
        same = preprocessor.restore(probabilities, source)
        np.testing.assert_array_equal(same, restored)
    assert np.sum(restored[..., 1]) == 4**3
    assert np.sum(restored[..., 0]) == expected * (label.size - 4**3)
    assert not np.any(restored[..., 2])


def test_padding_holds_the_darkest_value_after_scaling():
    image, _, affine = _case(degrees=0.0)
    processed, _ = VolumePreprocessor(volume_shape=(15, 10, 9))(image, affine)
    np.testing.assert_array_equal(processed[0], processed.numpy()[2:13].min())


@pytest.mark.parametrize(
    "config",
    [
        {"intensity": "percentile", "volume_shape": [8, 8, 8]},
        {"intensity": "ct_window", "ct_window": [-100.0, 200.0]},
        {"spacing_mm": [1.0, 1.0, 1.5], "crop_to_foreground": True},
    ],
)
def test_graph_with_unknown_shape_gives_the_eager_bits(config):
    preprocessor = VolumePreprocessor(**config)

    def there_and_back(image, label, affine):
        volume = preprocessor.preprocess(image, affine)
        processed = preprocessor.label(label, volume.source)
        probabilities = tf.one_hot(processed, _NUM_CLASSES)
        restored = preprocessor.restore(probabilities, volume.source)
        return volume.image, processed, restored

    graph = tf.function(
        there_and_back,
        input_signature=[
            tf.TensorSpec([None, None, None, 1], tf.float32),
            tf.TensorSpec([None, None, None], tf.int32),
            tf.TensorSpec([4, 4], tf.float32),
        ],
        autograph=False,
    )
    for permutation, signs in _ORIENTATIONS[1::13]:
        image, label, affine = _case(permutation, signs)
        image[3:] = image.min()  # so that there is something to crop
        case = image, label, affine.astype(np.float32)
        for found, expected in zip(graph(*case), there_and_back(*case), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_works_in_dataset_map():
    image, label, affine = _case()
    preprocessor = VolumePreprocessor(volume_shape=(8, 8, 8))
    dataset = tf.data.Dataset.from_tensors((image, label, affine)).map(
        lambda image, label, affine: (
            preprocessor(image, affine)[0],
            preprocessor.label(label, preprocessor.locate(image, affine)),
        )
    )
    assert dataset.element_spec[0].shape == (8, 8, 8, 1)
    assert dataset.element_spec[1].shape == (8, 8, 8)
    mapped, _ = next(iter(dataset))
    np.testing.assert_array_equal(mapped, preprocessor(image, affine)[0])


@pytest.mark.parametrize(
    "intensity, ct_window",
    [("ct_window", (-1, 1)), (["zscore", "ct_window", "none"], [None, (-1, 1), None])],
)
def test_config_goes_through_json(intensity, ct_window):
    preprocessor = VolumePreprocessor((1, 1, 2), (8, 8, 4), intensity, ct_window, True)
    config = json.loads(json.dumps(preprocessor.get_config()))
    assert VolumePreprocessor(**config).get_config() == config


def test_config_of_the_defaults():
    assert VolumePreprocessor().get_config() == {
        "spacing_mm": None,
        "volume_shape": None,
        "intensity": "zscore",
        "ct_window": None,
        "crop_to_foreground": False,
    }


@pytest.mark.parametrize(
    "config, keeps_values",
    [
        ({"intensity": "none"}, True),
        ({"intensity": ["none", "none"]}, True),
        ({"intensity": ["none", "zscore"]}, False),
        ({"intensity": "zscore"}, False),
        ({"intensity": "none", "spacing_mm": (1, 1, 1)}, False),
        ({"intensity": "none", "volume_shape": (8, 8, 8)}, True),
    ],
)
def test_values_are_those_of_the_file_unless_something_computes(config, keeps_values):
    assert VolumePreprocessor(**config).keeps_values is keeps_values


@pytest.mark.parametrize(
    "config, message",
    [
        ({"spacing_mm": (1.0, 1.0)}, "spacing_mm must be 3 positive"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm must be 3 positive"),
        ({"spacing_mm": (1.0, float("nan"), 1.0)}, "spacing_mm must be 3 positive"),
        ({"spacing_mm": (1.0, float("inf"), 1.0)}, "spacing_mm must be 3 positive"),
        ({"volume_shape": (8, 8, -8)}, "volume_shape must be 3 positive"),
        ({"volume_shape": (8, 8, 8.5)}, "volume_shape must be whole numbers"),
        ({"intensity": "minmax"}, "'minmax' is not a valid Intensity"),
        ({"intensity": "ct_window"}, "needs ct_window"),
        ({"ct_window": (0, 1)}, "ct_window is for intensity 'ct_window' only"),
        ({"intensity": "ct_window", "ct_window": (5, 1)}, "low < high, got"),
        ({"intensity": "ct_window", "ct_window": (5, 5)}, "low < high, got"),
        ({"intensity": "ct_window", "ct_window": (5,)}, "low < high, got"),
        ({"intensity": ["zscore", "ct_window"]}, "needs ct_window"),
        ({"intensity": ["zscore"], "ct_window": [None, (0, 1)]}, "each of 1 channels"),
    ],
)
def test_wrong_argument_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        VolumePreprocessor(**config)
