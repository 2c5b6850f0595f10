"""Every scaling of intensities, per channel and without NaN."""

import numpy as np
import pytest

from tf_diffseg.preprocessing.intensity import (
    Intensity,
    apply_scaling,
    normalize,
    percentile_range,
    scaling_of,
    undo_scaling,
)

_AXES = (0, 1, 2)


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    channels = [rng.gamma(2.0, 50.0, (9, 8, 7)), rng.normal(-4e3, 2.0, (9, 8, 7))]
    return np.stack(channels, axis=-1).astype(np.float32)


def test_zscore_is_per_channel(image):
    scaled = normalize(image, Intensity.ZSCORE).numpy()
    exact = image.astype(np.float64)
    expected = (exact - exact.mean(_AXES)) / exact.std(_AXES)
    np.testing.assert_allclose(scaled, expected, atol=2e-4)
    np.testing.assert_allclose(scaled[..., 0].std(), 1.0, rtol=1e-5)


def test_zscore_counts_every_voxel_of_a_long_volume():
    image = np.random.default_rng(0).gamma(2.0, 50.0, (37, 3, 2, 1)).astype(np.float32)
    image[:3] += 1e3
    image[-3:] -= 1e3
    exact = image.astype(np.float64)
    expected = (exact - exact.mean()) / exact.std()
    np.testing.assert_allclose(normalize(image, Intensity.ZSCORE), expected, atol=1e-5)


def test_zscore_removes_the_scale_of_the_scanner(image):
    first = image[..., :1]
    scaled = normalize(first, Intensity.ZSCORE)
    other = normalize(20.0 * first + 7.0, Intensity.ZSCORE)
    np.testing.assert_allclose(other, scaled, atol=1e-4)


def test_percentile_clips_to_minus_one_and_one(image):
    image[0, 0, 0] = 1e9  # one bright voxel changes nothing
    scaled = normalize(image, Intensity.PERCENTILE).numpy()
    np.testing.assert_allclose(scaled.min(_AXES), -1.0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(_AXES), 1.0, atol=1e-6)
    # Few voxels are clipped.
    assert np.sum(scaled == scaled.min(_AXES)) <= 2 * 2 * 3


@pytest.mark.parametrize("background", [0.0, 100.1, -3e4])
def test_equal_percentiles_leave_the_signal(image, background):
    """Fewer voxels than a percentile leaves out differ from the background."""
    image[..., 1] = background
    image[1, 2, 3, 1] += 50.0
    scaling = scaling_of(image, Intensity.PERCENTILE)
    np.testing.assert_array_equal(scaling.is_flat, [False, True])
    scaled = apply_scaling(image, scaling).numpy()[..., 1]
    assert scaled[1, 2, 3] == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(np.delete(scaled.ravel(), scaled.argmax()), -1, 1e-5)


def test_percentiles_that_differ_by_rounding_are_equal():
    rng = np.random.default_rng(0)
    image = np.float32(100.1) * (1 + rng.uniform(-2e-7, 2e-7, (9, 9, 9, 1)))
    image = image.astype(np.float32)
    image[4, 4, 4] = 150.0
    scaled = normalize(image, Intensity.PERCENTILE).numpy()
    assert np.sum(scaled > -0.99) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 200, 201, 504])
def test_percentiles_equal_those_of_numpy(size):
    image = np.random.default_rng(size).normal(size=(size, 1, 1, 2)).astype(np.float32)
    low, high = percentile_range(image)
    expected = np.percentile(image, (0.5, 99.5), axis=_AXES)
    np.testing.assert_allclose([low, high], expected, rtol=1e-6)


@pytest.mark.parametrize("window", [None, (-3e38, 3e38)])
def test_range_beyond_the_largest_number_is_scaled(window):
    kind = Intensity.CT_WINDOW if window else Intensity.PERCENTILE
    image = np.array([-3e38, -1.5e38, 0.0, 1.5e38, 3e38], np.float32)
    image = np.repeat(image, 100).reshape(500, 1, 1, 1)
    scaled = normalize(image, kind, window).numpy()
    expected = np.repeat([-1, -0.5, 0, 0.5, 1], 100)
    np.testing.assert_allclose(np.ravel(scaled), expected, atol=1e-6)


def test_ct_window():
    image = np.array([-1024.0, -160.0, 40.0, 240.0, 3000.0], np.float32)
    image = image.reshape(5, 1, 1, 1)
    scaled = normalize(image, Intensity.CT_WINDOW, (-160.0, 240.0))
    np.testing.assert_allclose(np.ravel(scaled), [-1, -1, 0, 1, 1], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1000.1, -3e-5])
@pytest.mark.parametrize("intensity", [Intensity.ZSCORE, Intensity.PERCENTILE])
def test_constant_channel_becomes_zero(image, value, intensity):
    image[..., 1] = value
    scaled = normalize(image, intensity).numpy()
    np.testing.assert_array_equal(scaled[..., 1], 0.0)
    assert scaled[..., 0].std() > 0.3


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_none_changes_no_bit(image, channels):
    image = np.tile(image[..., :1], channels)
    scaled = normalize(image, Intensity.NONE)
    np.testing.assert_array_equal(scaled, image)


@pytest.mark.parametrize(
    "kinds",
    [
        (Intensity.CT_WINDOW, Intensity.ZSCORE),
        (Intensity.ZSCORE, Intensity.CT_WINDOW),
        (Intensity.PERCENTILE, Intensity.NONE),
        (Intensity.NONE, Intensity.NONE),
    ],
)
def test_each_channel_has_its_own_intensity(image, kinds):
    windows = [(0.0, 200.0) if k is Intensity.CT_WINDOW else None for k in kinds]
    scaled = normalize(image, kinds, windows).numpy()
    assert scaled.shape == image.shape
    for channel in range(2):
        alone = image[..., channel : channel + 1]
        expected = normalize(alone, kinds[channel], windows[channel])
        np.testing.assert_array_equal(scaled[..., channel : channel + 1], expected)


@pytest.mark.parametrize("kind", [Intensity.ZSCORE, Intensity.PERCENTILE])
def test_one_channel_may_have_a_list_of_one_intensity(image, kind):
    image = image[..., :1]
    np.testing.assert_array_equal(normalize(image, (kind,)), normalize(image, kind))


def test_wrong_number_of_intensities_is_refused(image):
    with pytest.raises(ValueError, match="must have 1 channels, one per .*, got 2"):
        normalize(image, (Intensity.ZSCORE,))


@pytest.mark.parametrize("intensity", list(Intensity))
def test_undone_scaling_gives_the_clipped_image(image, intensity):
    window = (0.0, 80.0) if intensity is Intensity.CT_WINDOW else None
    scaling = scaling_of(image, intensity, window)
    scaled = apply_scaling(image, scaling)
    # NumPy 1 refuses two limits that are None.
    low = -np.inf if scaling.low is None else scaling.low
    expected = np.clip(image, low, scaling.high)
    undone = undo_scaling(scaled, scaling)
    np.testing.assert_allclose(undone, expected, rtol=1e-5, atol=1e-3)
    clips = intensity in (Intensity.CT_WINDOW, Intensity.PERCENTILE)
    assert np.any(expected != image) == clips
