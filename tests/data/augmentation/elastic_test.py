"""Elastic deformation: smooth, bounded, in millimetres."""

import numpy as np
import tensorflow as tf

from tf_diffseg.data.augmentation import elastic_displacement

SHAPE = (20, 16, 12)


def _field(spacing_mm=(1.0, 1.0, 2.0), seed=(1, 2), largest_mm=3.0, points_mm=8.0):
    return elastic_displacement(
        SHAPE, tf.constant(spacing_mm), seed, largest_mm, points_mm
    ).numpy()


def test_is_bounded_and_not_zero():
    field = _field()
    assert field.shape == (3, *SHAPE)
    assert 0.5 < np.abs(field).max() <= 3.0
    assert np.abs(_field(largest_mm=0.0)).max() == 0.0


def test_weights_of_a_spline_sum_to_one():
    from tf_diffseg.data.augmentation.elastic import _spline_matrix

    for size, step in ((20, 0.13), (1, 0.5), (7, 1.0), (9, 2.5)):
        matrix = _spline_matrix(size, step)
        np.testing.assert_allclose(tf.reduce_sum(matrix, axis=1), 1.0, rtol=1e-5)
        assert float(tf.reduce_min(matrix)) >= 0.0


def test_space_does_not_fold():
    for index in range(10):
        field = _field(seed=(3, index), largest_mm=0.4 * 8.0)
        steps = np.stack(np.gradient(field, 1.0, 1.0, 2.0, axis=(1, 2, 3)), axis=-1)
        jacobian = np.eye(3)[:, np.newaxis, np.newaxis, np.newaxis] + steps
        determinants = np.linalg.det(np.moveaxis(jacobian, 0, -2))
        assert determinants.min() > 0.0


def test_the_spacing_does_not_change_the_field():
    fine = elastic_displacement((20, 16, 23), tf.ones([3]), (1, 2), 3.0, 8.0)
    np.testing.assert_allclose(fine[..., ::2], _field(), atol=1e-5)
