"""The figures of a case equal numpy's."""

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.case_statistics import measure_case
from data_tools.conversion.intensity_statistics import describe_intensity
from tf_diffseg.preprocessing.foreground import box_size, foreground_box
from tf_diffseg.preprocessing.orientation import to_canonical
from tf_diffseg.volumes.volume import Volume


def _channels():
    rng = np.random.default_rng(0)
    return {
        "whole": np.rint(rng.normal(-900, 300, (12, 11, 10))),
        "unsigned": rng.integers(0, 5, (12, 11, 10)),
        "fractions": rng.gamma(2.0, 40.0, (12, 11, 10)),
        "wide": np.rint(rng.normal(0, 1e6, (12, 11, 10))),
        "huge": rng.normal(3e7, 4.0, (12, 11, 10)),
        "constant": np.full((12, 11, 10), 7.25),
    }


@pytest.mark.parametrize("name", _channels())
def test_intensity_statistics_equal_numpys(name):
    image = _channels()[name].astype(np.float32)[..., np.newaxis]
    statistics, is_whole = describe_intensity(image)
    exact = image[..., 0].astype(np.float64)
    assert is_whole == (name in ("whole", "unsigned", "wide", "huge"))
    expected = {
        "min": exact.min(),
        "percentile_00_5": np.percentile(exact, 0.5),
        "median": np.median(exact),
        "percentile_99_5": np.percentile(exact, 99.5),
        "max": exact.max(),
        "mean": exact.mean(),
        "std": exact.std(),
    }
    assert list(statistics) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(statistics[key], [value], rtol=1e-9, atol=1e-9)


def test_every_channel_has_its_own_figures():
    image = np.stack([_channels()["whole"], _channels()["fractions"]], axis=-1)
    statistics, is_whole = describe_intensity(image.astype(np.float32))
    assert not is_whole
    np.testing.assert_allclose(statistics["mean"], image.mean(axis=(0, 1, 2)))


def test_measures_are_along_the_axes_of_the_world():
    # File axes: superior to inferior, then right, then anterior.
    affine = np.array([[0, 2, 0, 0], [0, 0, 3, 0], [-5, 0, 0, 0], [0, 0, 0, 1.0]])
    class_ids = np.zeros((4, 6, 8), np.int32)
    class_ids[1:3, 2:5, 7] = 2
    image = np.arange(192, dtype=np.float32).reshape(4, 6, 8, 1)
    measures = measure_case(Volume("a.nii", image, affine), class_ids, 3)
    assert measures.source_spacing_mm == [5.0, 2.0, 3.0]
    assert measures.ras_spacing_mm == [2.0, 3.0, 5.0]
    assert measures.ras_shape == [6, 8, 4]
    assert measures.foreground_mm == [3 * 2.0, 1 * 3.0, 2 * 5.0]
    assert measures.voxels_per_class == [186, 0, 6]
    assert measures.foreground_samples == [sorted(image[class_ids == 2, 0].tolist())]


def test_samples_are_few_and_span_the_foreground():
    image = np.arange(8000, dtype=np.float32).reshape(20, 20, 20, 1)
    class_ids = np.ones((20, 20, 20), np.int32)
    measures = measure_case(Volume("a.nii", image, np.eye(4)), class_ids, 2)
    (samples,) = measures.foreground_samples
    assert len(samples) == 1000
    assert samples[0] == 0 and samples[-1] >= 7990


def test_without_foreground_there_is_no_extent():
    image = np.zeros((3, 3, 3, 2), np.float32)
    class_ids = np.zeros((3, 3, 3), np.int32)
    measures = measure_case(Volume("a.nii", image, np.eye(4)), class_ids, 2)
    assert measures.foreground_mm is None
    assert measures.foreground_samples == [[], []]


@pytest.mark.parametrize("axcodes", ["RAS", "SPL", "ALI"])
@pytest.mark.parametrize(
    "channels, bright", [(1, slice(2, 5)), (2, slice(0, 1)), (1, slice(0, 0))]
)
def test_the_bright_part_is_what_the_crop_keeps(axcodes, channels, bright):
    image = np.full((7, 6, 5, channels), -3.0, np.float32)
    image[bright, 1:4, 2:, -1] = 1.0  # of the last channel alone
    to_axes = nib.orientations.axcodes2ornt(axcodes)
    affine = nib.orientations.inv_ornt_aff(to_axes, image.shape[:3])
    no_class = np.zeros(image.shape[:3], np.uint8)
    measures = measure_case(Volume("a.nii", image, affine), no_class, 2)
    oriented, _ = to_canonical(image, affine)
    kept = box_size(foreground_box(oriented), oriented.shape[:3])
    assert measures.bright_shape == kept.numpy().tolist()
