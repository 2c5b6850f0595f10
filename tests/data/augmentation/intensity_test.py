"""Changes of intensity, by hand-made values and by their statistics."""

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
def test_gamma_bends_the_scale_and_keeps_mean_and_deviation(exponent):
    image = _image()
    changed = change_gamma(image, exponent).numpy()
    np.testing.assert_allclose(changed.mean(SPACE), image.mean(SPACE), atol=1e-4)
    np.testing.assert_allclose(changed.std(SPACE), image.std(SPACE), rtol=1e-4)
    # Scaled to [0, 1] again it is the curve.
    for channel in range(2):
        before, after = (
            (values - values.min()) / (values.max() - values.min())
            for values in (image[..., channel], changed[..., channel])
        )
        np.testing.assert_allclose(after, before**exponent, atol=1e-4)


def test_noise_has_the_deviation_asked_for():
    image = _image()
    noise = add_noise(image, [1, 2], 0.25).numpy() - image
    np.testing.assert_allclose(noise.std(SPACE), 0.25 * image.std(SPACE), rtol=0.1)
    assert np.abs(noise.mean(SPACE)).max() < 0.1
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.15


def test_drops_one_channel_of_several_each_in_turn():
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


def test_an_only_channel_is_kept():
    image = _image(channels=1)
    np.testing.assert_array_equal(drop_channel(image, [0, 1]), image)


@pytest.mark.parametrize(
    "change",
    [
        lambda i: change_contrast(i, 1.2),
        lambda i: change_brightness(i, 0.3),
        lambda i: change_gamma(i, 1.2),
        lambda i: add_noise(i, [0, 1], 0.2),
    ],
)
def test_an_empty_image_stays_finite(change):
    image = tf.zeros([4, 4, 4, 1])
    np.testing.assert_array_equal(change(image), image)


@pytest.mark.parametrize(
    "change",
    [
        lambda i: change_contrast(i, 1.0),
        lambda i: change_brightness(i, 0.0),
        lambda i: change_gamma(i, 1.0),
        lambda i: add_noise(i, [0, 1], 0.0),
    ],
)
def test_identity_parameters_change_nothing(change):
    image = _image()
    np.testing.assert_allclose(change(image), image, rtol=1e-5, atol=1e-5)
