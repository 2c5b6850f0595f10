"""Blur and low resolution are in millimetres and keep places and means."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import blur, lower_resolution

SHAPE = (17, 21, 13)
CENTRE = (8, 10, 6)


def _impulse():
    image = np.zeros((*SHAPE, 2), np.float32)
    image[CENTRE] = (1.0, -2.0)
    return tf.constant(image)


def _noise():
    generator = np.random.default_rng(0)
    return tf.constant(generator.normal(size=(*SHAPE, 2)).astype(np.float32))


def _deviations(image):
    """Standard deviation in voxels along each axis of a blurred impulse."""
    weights = image.numpy()[..., 0].astype(float)
    weights /= weights.sum()
    places = np.indices(SHAPE)
    means = [(weights * p).sum() for p in places]
    np.testing.assert_allclose(means, CENTRE, atol=1e-4)
    return [
        np.sqrt((weights * (p - m) ** 2).sum())
        for p, m in zip(places, means, strict=True)
    ]


def test_blur_is_as_wide_in_millimetres_along_every_axis():
    blurred = blur(_impulse(), tf.constant([1.0, 1.0, 2.0]), 1.6)
    np.testing.assert_allclose(_deviations(blurred), [1.6, 1.6, 0.8], rtol=2e-3)
    # Channels do not mix.
    np.testing.assert_allclose(blurred[..., 1], -2.0 * blurred[..., 0], rtol=1e-4)


@pytest.mark.parametrize(
    "change", [lambda i, s: blur(i, s, 0.0), lambda i, s: lower_resolution(i, s, 1.0)]
)
def test_identity_parameters_change_nothing(change):
    image = _noise()
    np.testing.assert_allclose(change(image, tf.ones([3])), image, atol=1e-6)


@pytest.mark.parametrize("change", [blur, lower_resolution])
def test_a_constant_image_does_not_change(change):
    image = tf.fill([*SHAPE, 1], 3.5)
    np.testing.assert_allclose(change(image, tf.ones([3]), 2.7), image, rtol=1e-5)


def test_low_resolution_leaves_axes_that_are_coarse_already():
    image = _noise()
    low = lower_resolution(image, tf.constant([1.0, 1.0, 3.0]), 2.0)
    along_z = tf.reshape(tf.reduce_mean(image, axis=[0, 1]), [-1])
    # Along x and y two voxels become one; along z nothing is mixed.
    only_z = np.zeros((*SHAPE, 2), np.float32)
    only_z[:] = tf.reshape(along_z, [SHAPE[2], 2])
    np.testing.assert_allclose(
        lower_resolution(tf.constant(only_z), tf.constant([1.0, 1.0, 3.0]), 2.0),
        only_z,
        atol=1e-5,
    )
    assert np.std(low) < 0.7 * np.std(image)


def test_low_resolution_keeps_a_ramp_where_it_was():
    ramp = np.zeros((*SHAPE, 1), np.float32)
    ramp[:] = np.arange(SHAPE[1])[:, np.newaxis, np.newaxis]
    low = lower_resolution(tf.constant(ramp), tf.ones([3]), 3.0)
    # The outer half of the outermost large voxels cannot be interpolated.
    np.testing.assert_allclose(low[:, 2:-2], ramp[:, 2:-2], atol=1e-4)
