import math

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import augment, resample_affine, rotation_matrix

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


def test_identity_changes_nothing():
    image, label = _case()
    new_image, new_label = resample_affine(image, label, ISOTROPIC, tf.eye(3))
    np.testing.assert_allclose(new_image, image, atol=1e-5)
    np.testing.assert_array_equal(new_label, label)


def test_nothing_asked_for_gives_the_case_itself():
    image, label = _case()
    new_image, new_label = augment(image, label, ISOTROPIC, [1, 2])
    assert new_image is image and new_label is label


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
    new_image, new_label = resample_affine(image, label, ISOTROPIC, matrix)
    np.testing.assert_array_equal(np.argwhere(new_label), [end])
    assert float(new_image[(*end, 0)]) == pytest.approx(3.0, abs=1e-4)


def test_rotates_millimetres_not_voxels():
    # 4 mm along x, of 2 mm voxels, become 4 mm along y, of 1 mm voxels.
    image, label = _one_voxel((6, 5, 3))
    matrix = rotation_matrix(tf.constant([0.0, 0.0, math.pi / 2]))
    _, new_label = resample_affine(image, label, tf.constant([2.0, 1.0, 1.0]), matrix)
    rows = np.argwhere(new_label)
    np.testing.assert_array_equal(np.unique(rows[:, 1]), [9])
    assert 4 in rows[:, 0]


def test_zoom_by_two_doubles_distances_from_the_centre():
    image, label = _one_voxel((5, 6, 4))
    new_image, new_label = resample_affine(image, label, ISOTROPIC, 2.0 * tf.eye(3))
    assert int(new_label[6, 7, 5]) == 3
    assert float(new_image[6, 7, 5, 0]) == pytest.approx(3.0, abs=1e-4)


def test_what_comes_from_outside_is_dark_background():
    image, label = _case()
    new_image, new_label = resample_affine(image, label + 1, ISOTROPIC, 0.5 * tf.eye(3))
    np.testing.assert_allclose(
        new_image[0, 0, 0], tf.reduce_min(image, axis=[0, 1, 2]), rtol=1e-5
    )
    assert int(new_label[0, 0, 0]) == 0
    assert int(new_label[4, 5, 3]) > 0


@pytest.mark.parametrize("axis, name", list(enumerate("xyz")))
def test_flips_the_axes_asked_for_in_half_of_the_cases(axis, name):
    image, label = _case()
    num_flipped = 0
    for index in range(20):
        new_image, new_label = augment(
            image, label, ISOTROPIC, [0, index], flip_axes=name
        )
        is_flipped = bool(tf.reduce_any(new_label != label))
        num_flipped += is_flipped
        order = [axis] if is_flipped else []
        np.testing.assert_array_equal(new_label, tf.reverse(label, order))
        np.testing.assert_allclose(new_image, tf.reverse(image, order), atol=1e-5)
    assert 4 <= num_flipped <= 16


def test_image_and_label_move_together():
    _, label = _case()
    image = tf.cast(label[..., tf.newaxis], tf.float32)
    smooth = tf.cast(tf.ones(SHAPE), tf.float32)[..., tf.newaxis]
    arguments = {"rotation_degrees": 30.0, "zoom": 0.3, "flip_axes": "xz"}
    _, new_label = augment(image, label, ISOTROPIC, [3, 4], **arguments)
    assert set(np.unique(new_label)) <= set(range(4))
    ball = np.indices(SHAPE).sum(axis=0) < 12
    ball_image, ball_label = augment(
        smooth * ball[..., np.newaxis],
        tf.constant(ball, tf.int32),
        ISOTROPIC,
        [3, 4],
        **arguments,
    )
    agree = (ball_image[..., 0].numpy() > 0.5) == (ball_label.numpy() > 0)
    assert agree.mean() > 0.97


def test_eager_and_map_agree_and_seeds_matter():
    image, label = _case()
    arguments = {"rotation_degrees": 20.0, "zoom": 0.2, "flip_axes": "x"}
    dataset = tf.data.Dataset.from_tensors((image, label)).map(
        lambda i, c: augment(i, c, ISOTROPIC, tf.constant([5, 6]), **arguments)
    )
    mapped = next(iter(dataset))
    eager = augment(image, label, ISOTROPIC, tf.constant([5, 6]), **arguments)
    np.testing.assert_allclose(mapped[0], eager[0], atol=1e-4)
    np.testing.assert_array_equal(mapped[1], eager[1])
    other = augment(image, label, ISOTROPIC, tf.constant([5, 7]), **arguments)
    assert np.abs(other[0] - eager[0]).max() > 0.1


def test_refuses_an_unknown_axis():
    image, label = _case()
    with pytest.raises(ValueError, match="flip_axes must be of 'xyz', got 'xw'"):
        augment(image, label, ISOTROPIC, [0, 0], flip_axes="xw")
