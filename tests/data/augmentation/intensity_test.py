"""Changes of intensity: their values and their statistics."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation import (
    add_noise,
    change_brightness,
    change_contrast,
    change_gamma,
    drop_channel,
)

SPACE = (0, 1, 2)


def _image(channels=2):
    generator = np.random.default_rng(0)
    image = generator.gamma(2.0, size=(8, 9, 10, channels))
    return (image * np.arange(1, channels + 1) - 3.0).astype(np.float32)


def test_contrast_multiplies_the_deviation_and_keeps_the_mean():
    image = _image()
    changed = change_contrast(image, 1.3).numpy()
    np.testing.assert_allclose(changed.mean(SPACE), image.mean(SPACE), atol=1e-4)
    np.testing.assert_allclose(changed.std(SPACE), 1.3 * image.std(SPACE), rtol=1e-4)


def test_brightness_adds_deviations():
    image = _image()
    changed = change_brightness(image, -0.5).numpy()
    expected = image - 0.5 * image.std(SPACE)
    np.testing.assert_allclose(changed, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("exponent", [0.6, 1.0, 1.7])
def test_gamma_keeps_the_mean_and_the_deviation(exponent):
    image = _image()
    changed = change_gamma(image, exponent).numpy()
    np.testing.assert_allclose(changed.mean(SPACE), image.mean(SPACE), atol=1e-4)
    np.testing.assert_allclose(changed.std(SPACE), image.std(SPACE), rtol=1e-4)
    # Both scaled to [0, 1], the result is the curve of the image.
    for channel in range(2):
        before, after = (
            (values - values.min()) / (values.max() - values.min())
            for values in (image[..., channel], changed[..., channel])
        )
        np.testing.assert_allclose(after, before**exponent, atol=1e-4)


def test_noise_has_the_given_deviation():
    image = _image()
    noise = add_noise(image, [1, 2], 0.25).numpy() - image
    np.testing.assert_allclose(noise.std(SPACE), 0.25 * image.std(SPACE), rtol=0.1)
    assert np.abs(noise.mean(SPACE)).max() < 0.1
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.15


def test_each_of_several_channels_can_be_dropped():
    image = _image(channels=3)
    dropped = set()
    for index in range(20):
        changed = drop_channel(image, [0, index]).numpy()
        is_dropped = (changed == image.min(SPACE)).all(axis=SPACE)
        assert is_dropped.sum() == 1
        np.testing.assert_array_equal(
            changed[..., ~is_dropped], image[..., ~is_dropped]
        )
        dropped.add(int(np.argmax(is_dropped)))
    assert dropped == {0, 1, 2}


def test_a_single_channel_is_kept():
    image = _image(channels=1)
    np.testing.assert_array_equal(drop_channel(image, [0, 1]), image)


_CHANGES = [
    (change_contrast, 1.2, 1.0),
    (change_brightness, 0.3, 0.0),
    (change_gamma, 1.2, 1.0),
    (lambda image, amount: add_noise(image, [0, 1], amount), 0.2, 0.0),
]


@pytest.mark.parametrize("change, parameter, identity", _CHANGES)
def test_empty_images_and_identity_parameters_change_nothing(
    change, parameter, identity
):
    empty = tf.zeros([4, 4, 4, 1])
    np.testing.assert_array_equal(change(empty, parameter), empty)
    image = _image()
    np.testing.assert_allclose(change(image, identity), image, rtol=1e-5, atol=1e-5)
