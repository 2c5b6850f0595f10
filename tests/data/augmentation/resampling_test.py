"""Image and label move together, in millimetres, to the right places."""

import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tf_diffseg.data.augmentation import resample, rotation_matrix
from tf_diffseg.data.augmentation.resampling import cut

SHAPE = (9, 11, 7)
ISOTROPIC = tf.constant([1.0, 1.0, 1.0])


def _case(channels=2):
    generator = np.random.default_rng(0)
    image = generator.normal(size=(*SHAPE, channels)).astype(np.float32)
    return tf.constant(image), tf.constant(generator.integers(0, 4, SHAPE), tf.int32)


def _one_voxel(position):
    label = np.zeros(SHAPE, np.int32)
    label[position] = 3
    return tf.constant(label[..., np.newaxis], tf.float32), tf.constant(label)


@pytest.mark.parametrize(
    "angles, start, end",
    [
        # A quarter turn about z, counterclockwise, takes +x to +y.
        ((0, 0, 1), (6, 5, 3), (4, 7, 3)),
        # About x it takes +y to +z, about y it takes +z to +x.
        ((1, 0, 0), (4, 7, 3), (4, 5, 5)),
        ((0, 1, 0), (4, 5, 5), (6, 5, 3)),
    ],
)
def test_a_quarter_turn_moves_a_voxel_to_its_place(angles, start, end):
    image, label = _one_voxel(start)
    matrix = rotation_matrix(tf.constant(angles, tf.float32) * math.pi / 2)
    new_image, new_label = resample(image, label, ISOTROPIC, matrix)
    np.testing.assert_array_equal(np.argwhere(new_label), [end])
    assert float(new_image[(*end, 0)]) == pytest.approx(3.0, abs=1e-4)


def test_a_displacement_moves_the_place_that_is_read():
    image, label = _one_voxel((4, 5, 3))
    displacement_mm = tf.reshape([2.0, 0.0, -0.5], [3, 1, 1, 1])
    spacing_mm = tf.constant([2.0, 1.0, 0.5])
    movement = {"matrix": tf.eye(3), "displacement_mm": displacement_mm}
    _, new_label = resample(image, label, spacing_mm, **movement)
    np.testing.assert_array_equal(np.argwhere(new_label), [(3, 5, 4)])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_interpolation_is_that_of_scipy(channels):
    image, label = _case(channels)
    spacing_mm = np.array([1.0, 1.5, 2.0])
    matrix = rotation_matrix(tf.constant([0.3, -0.2, 0.5])) * 1.2
    shift_mm = np.array([0.4, -0.7, 1.1])
    new_image, new_label = resample(
        image, label, tf.constant(spacing_mm, tf.float32), matrix, shift_mm.tolist()
    )
    centre_mm = (np.array(SHAPE) - 1.0) / 2.0 * spacing_mm
    to_mm = np.indices(SHAPE).reshape(3, -1).T * spacing_mm - centre_mm
    source_mm = (to_mm - shift_mm) @ np.linalg.inv(matrix.numpy().astype(float)).T
    source = ((source_mm + centre_mm) / spacing_mm).T
    for channel in range(channels):
        darkest = image.numpy()[..., channel].min()
        padded = np.pad(image[..., channel], 2, constant_values=darkest)
        expected = scipy.ndimage.map_coordinates(
            padded, source + 2.0, order=1, mode="nearest"
        )
        np.testing.assert_allclose(
            new_image[..., channel], expected.reshape(SHAPE), atol=1e-4
        )
    # Halfway between two voxels both are the nearest.
    halfway = np.abs(source - np.floor(source) - 0.5).min(axis=0) < 1e-3
    nearest = np.rint(source).astype(int).T
    expected = np.pad(label, 2)[tuple(np.clip(nearest, -2, np.add(SHAPE, 1)).T + 2)]
    assert np.mean(halfway) < 0.05
    np.testing.assert_array_equal(
        new_label.numpy().ravel()[~halfway], expected[~halfway]
    )


@pytest.mark.parametrize(
    "start, zoom, is_elastic",
    [
        ((2, 3, 1), 0.6, True),
        ((-1, 8, 4), 1.2, False),
        ((7, 0, -3), 3.0, True),
        ((30, 4, -40), 1.2, True),
        ((2, 3, 1), 3.0, False),
    ],
)
def test_a_volume_of_unknown_shape_gives_the_same_box(start, zoom, is_elastic):
    # In the input pipeline the part that is read is cut out, padded and compiled.
    image, label = _case()
    matrix = rotation_matrix(tf.constant([0.3, -0.2, 0.5])) * zoom
    box = {"start": tf.constant(start), "shape": (5, 6, 4)}
    if is_elastic:
        box["displacement_mm"] = tf.random.stateless_normal([3, 5, 6, 4], [0, 1]) * 2.0

    @tf.function(
        input_signature=[tf.TensorSpec([None] * 4), tf.TensorSpec([None] * 3, tf.int32)]
    )
    def resampled(image, label):
        return resample(image, label, tf.constant([1.0, 1.5, 2.0]), matrix, **box)

    expected = resampled.python_function(image, label + 1)
    found = resampled(image, label + 1)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("dtype", [tf.float16, tf.float64])
def test_images_may_be_of_any_float_type(dtype):
    image, label = _case()
    image = tf.cast(image, dtype).numpy()
    new_image, _ = resample(image, label.numpy(), [1.0, 1.0, 1.0], np.eye(3, dtype="f"))
    assert new_image.dtype == tf.float32
    np.testing.assert_allclose(new_image, image, atol=1e-6)


@pytest.mark.parametrize("shift_mm", [1e9, -1e9, 3e38])
def test_a_huge_shift_gives_dark_background(shift_mm):
    image, label = _case()
    new_image, new_label = resample(
        image, label + 1, 0.5 * ISOTROPIC, tf.eye(3), (0.0, shift_mm, 0.0)
    )
    darkest = np.broadcast_to(image.numpy().min(axis=(0, 1, 2)), image.shape)
    np.testing.assert_allclose(new_image, darkest, rtol=1e-6)
    assert not np.any(new_label)


BOXES = [
    ((2, 3, 1), (4, 5, 3)),  # inside
    ((-2, 0, 3), (6, 11, 8)),  # beyond both ends
    ((20, 20, 20), (2, 2, 2)),  # outside
]


@pytest.mark.parametrize("start, shape", BOXES)
def test_a_box_is_cut_without_a_movement(start, shape):
    image, label = _case()
    expected_image, expected_label = np.empty((*shape, 2)), np.zeros(shape, int)
    expected_image[:] = image.numpy().min(axis=(0, 1, 2))
    for index in np.ndindex(shape):
        voxel = tuple(np.add(start, index))
        if all(0 <= v < size for v, size in zip(voxel, SHAPE, strict=True)):
            expected_image[index], expected_label[index] = image[voxel], label[voxel]
    resampled = resample(
        image, label, ISOTROPIC, tf.eye(3), start=tf.constant(start), shape=shape
    )
    cropped = cut(image, label, tf.constant(start), shape)
    of_lists = cut(image.numpy(), label.numpy(), list(start), list(shape))
    for new_image, new_label in (cropped, of_lists, resampled):
        np.testing.assert_allclose(new_image, expected_image, atol=1e-6)
        np.testing.assert_array_equal(new_label, expected_label)


@pytest.mark.parametrize("displacement_mm", [None, (2.5, -3.0, 4.0)])
def test_a_box_is_a_part_of_the_whole_about_the_same_centre(displacement_mm):
    image, label = _case()
    matrix = rotation_matrix(tf.constant([0.2, -0.3, 0.4]))
    spacing_mm = tf.constant([1.0, 1.5, 2.0])
    if displacement_mm is not None:
        displacement_mm = tf.reshape(displacement_mm, [3, 1, 1, 1])
    movement = {"matrix": matrix, "displacement_mm": displacement_mm}
    whole = resample(image, label, spacing_mm, **movement)
    place = {"start": tf.constant([2, 3, 1]), "shape": (5, 5, 5)}
    box = resample(image, label, spacing_mm, **movement, **place)
    np.testing.assert_allclose(box[0], whole[0][2:7, 3:8, 1:6], atol=1e-5)
    np.testing.assert_array_equal(box[1], whole[1][2:7, 3:8, 1:6])
