"""Random affine maps: their parts and ranges."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import affine_matrix, rotation_matrix


def _matrices(num=40, **ranges):
    return np.stack([affine_matrix([7, index], **ranges) for index in range(num)])


def test_zero_ranges_give_the_identity():
    np.testing.assert_allclose(affine_matrix([1, 2]), np.eye(3), atol=1e-7)


def test_rotation_keeps_lengths_and_stays_in_range():
    matrices = _matrices(rotation_degrees=20.0)
    products = matrices @ matrices.transpose(0, 2, 1)
    np.testing.assert_allclose(products - np.eye(3), np.zeros((40, 3, 3)), atol=1e-5)
    # sin of the angle about y stands alone in the last row.
    about_y = np.degrees(np.arcsin(-matrices[:, 2, 0]))
    assert 15.0 < np.abs(about_y).max() <= 20.0
    assert about_y.min() < 0.0 < about_y.max()


@pytest.mark.parametrize("axis", range(3))
def test_rotation_about_one_axis_leaves_that_axis_alone(axis):
    matrices = _matrices(rotation_degrees=20.0, rotation_axes="xyz"[axis])
    unit = np.eye(3)[axis]
    np.testing.assert_allclose(matrices @ unit, np.tile(unit, (40, 1)), atol=1e-6)
    assert np.abs(matrices - np.eye(3)).max() > 0.2


def test_zoom_is_between_the_range_and_its_inverse():
    matrices = _matrices(zoom=0.25)
    factors = matrices[:, 0, 0]
    expected = factors[:, np.newaxis, np.newaxis] * np.eye(3)
    np.testing.assert_allclose(matrices, expected, atol=1e-6)
    assert 0.8 <= factors.min() < 0.85 and 1.2 < factors.max() <= 1.25


def test_shear_keeps_volumes():
    matrices = _matrices(shear=0.3)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0, atol=1e-5)
    off = matrices - np.eye(3)
    assert 0.2 < np.abs(off).max() <= 0.3


def test_rotations_are_about_x_first_and_z_last():
    angles = tf.constant([np.pi / 2, 0.0, np.pi / 2])
    # About x, +y becomes +z, which a turn about z leaves alone.
    np.testing.assert_allclose(
        tf.linalg.matvec(rotation_matrix(angles), [0.0, 1.0, 0.0]),
        [0.0, 0.0, 1.0],
        atol=1e-6,
    )
