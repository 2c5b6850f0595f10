"""The fingerprint summarizes the cases, and automatic settings follow its rules."""

import dataclasses

import numpy as np
import pytest

from data_tools.conversion.case_statistics import CaseMeasures
from data_tools.conversion.fingerprint import fingerprint_of
from data_tools.conversion.preprocessing_choice import (
    Choice,
    auto_intensity,
    auto_spacing,
    auto_volume_shape,
)
from data_tools.inspection.manifest_text import fingerprint_table
from tf_diffseg.errors import InputError


def _measures(**fields):
    fields = {
        "source_shape": [40, 30, 20],
        "source_spacing_mm": [1.0, 1.0, 2.0],
        "ras_shape": [40, 30, 20],
        "ras_spacing_mm": [1.0, 1.0, 2.0],
        "foreground_mm": [10.0, 8.0, 12.0],
        "intensity": {},
        "is_whole": True,
        "foreground_samples": [[1.0, 2.0, 3.0]],
        "voxels_per_class": [23500, 500, 0],
        **fields,
    }
    return CaseMeasures(**fields)


def test_fingerprint_of_three_cases():
    cases = [
        _measures(),
        _measures(ras_shape=[50, 30, 10], voxels_per_class=[14000, 0, 1000]),
        _measures(ras_spacing_mm=[1.0, 1.5, 2.0], foreground_mm=None),
    ]
    fingerprint = fingerprint_of(cases, "train")
    assert (fingerprint["split"], fingerprint["num_cases"]) == ("train", 3)
    assert fingerprint["shape"]["max"] == [50, 30, 20]
    assert fingerprint["spacing_mm"]["median"] == [1.0, 1.0, 2.0]
    assert fingerprint["extent_mm"]["max"] == [50.0, 45.0, 40.0]
    assert fingerprint["bright_mm"] == fingerprint["extent_mm"]
    assert fingerprint["foreground_mm"]["min"] == [10.0, 8.0, 12.0]
    assert fingerprint["cases_per_class"] == [3, 2, 1]
    organ, vessel = fingerprint["class_ml"][1:]
    assert (organ["min"], organ["max"]) == (1.0, 1.5)  # 500 voxels of 2 and 3 mm3
    assert vessel == {"min": 2.0, "median": 2.0, "max": 2.0}


def test_every_case_has_the_same_weight_in_the_intensities():
    dark = _measures(foreground_samples=[[0.0] * 10])
    bright = _measures(foreground_samples=[[100.0] * 1000])
    intensity = fingerprint_of([dark, bright])["foreground_intensity"]
    np.testing.assert_allclose(intensity["mean"], [50.0])
    np.testing.assert_allclose(intensity["std"], [50.0])
    assert intensity["percentile_00_5"] == [0.0]
    assert intensity["percentile_99_5"] == [100.0]


def test_percentiles_equal_numpys():
    samples = np.sort(np.random.default_rng(0).normal(40, 10, 2000))
    case = _measures(foreground_samples=[samples.tolist()])
    intensity = fingerprint_of([case])["foreground_intensity"]
    for key, percentile in (("percentile_00_5", 0.5), ("percentile_99_5", 99.5)):
        expected = np.percentile(samples, percentile, method="inverted_cdf")
        assert intensity[key] == [expected]


def test_without_foreground_figures_are_none():
    case = _measures(
        foreground_mm=None, foreground_samples=[[]], voxels_per_class=[24000, 0, 0]
    )
    fingerprint = fingerprint_of([case])
    assert fingerprint["foreground_mm"] is None
    assert fingerprint["foreground_intensity"] is None
    assert fingerprint["class_ml"][1:] == [None, None]
    table = fingerprint_table(fingerprint, ["background", "organ", "vessel"], ["MRI"])
    assert "organ in ml, 0 cases" in table


def test_table_has_a_row_for_each_figure():
    fingerprint = fingerprint_of([_measures()], "train")
    table = fingerprint_table(fingerprint, ["background", "organ", "vessel"], ["MRI"])
    lines = table.splitlines()
    assert lines[0].startswith("1 cases of split train ")
    assert "voxels, x y z" in lines[1] and lines[1].count("40 30 20") == 3
    assert lines[-1].startswith("MRI in foreground") and lines[-1].split()[-1] == "3"
    assert len({len(line) for line in lines}) == 1


def _spacing_fingerprint(*spacings):
    return fingerprint_of([_measures(ras_spacing_mm=list(mm)) for mm in spacings])


@pytest.mark.parametrize(
    "spacings, expected",
    [
        # The median of each axis.
        ([(1, 1, 2), (1.2, 1, 2.5), (1.1, 1, 3)], (1.1, 1.0, 2.5)),
        # Three times as coarse is not anisotropic yet.
        ([(1, 1, 3)], (1.0, 1.0, 3.0)),
        # Beyond, the finest tenth of the cases decides.
        ([(0.5, 0.5, 5)] * 9 + [(0.5, 0.5, 2)] * 2, (0.5, 0.5, 2.0)),
        # Never finer than the coarser of the other axes.
        ([(0.5, 1.5, 5)] * 9 + [(0.5, 1.5, 1)] * 2, (0.5, 1.5, 1.5)),
    ],
)
def test_auto_spacing(spacings, expected):
    assert auto_spacing(_spacing_fingerprint(*spacings)) == expected


def test_auto_volume_shape_holds_what_a_crop_leaves_of_every_case():
    cases = [_measures(bright_shape=[20, 30, 9]), _measures(bright_shape=[33, 7, 1])]
    fingerprint = fingerprint_of(cases)
    assert fingerprint["bright_shape"]["max"] == [33, 30, 9]
    assert auto_volume_shape(fingerprint, None) == (40, 30, 20)
    assert auto_volume_shape(fingerprint, None, is_cropped=True) == (40, 30, 10)
    # The voxels of the files are 2 mm long along z.
    for is_cropped, length in ((False, 40), (True, 18)):
        shape = auto_volume_shape(fingerprint, (1.0, 1.0, 1.0), is_cropped)
        assert shape == (40, 30, length)


def test_auto_volume_shape_holds_every_case():
    cases = [_measures(ras_shape=[41, 30, 20]), _measures(ras_shape=[10, 33, 64])]
    fingerprint = fingerprint_of(cases)
    assert auto_volume_shape(fingerprint, None) == (48, 40, 64)
    assert auto_volume_shape(fingerprint, (1.0, 1.0, 1.0)) == (48, 40, 128)
    assert auto_volume_shape(fingerprint, (0.2, 0.2, 0.2)) is None  # 2e7 voxels
    slices = fingerprint_of([_measures(ras_shape=[41, 30, 1])])
    assert auto_volume_shape(slices, None) == (48, 30, 1)


def test_auto_intensity_depends_on_the_name_of_the_channel():
    samples = np.linspace(-100, 300, 1000).tolist()
    fingerprint = fingerprint_of([_measures(foreground_samples=[samples] * 3)])
    kinds, windows = auto_intensity(("T1", "CT", "noNorm"), fingerprint)
    assert kinds == ("zscore", "ct_window", "none")
    assert windows[0] is None and windows[2] is None
    np.testing.assert_allclose(windows[1], (-98, 298), atol=0.5)
    assert auto_intensity(("MRI",), fingerprint) == ("zscore", None)
    kind, window = auto_intensity(("ct",), fingerprint)
    assert kind == "ct_window" and window == windows[1]
    with pytest.raises(InputError, match="no case has a labelled voxel"):
        auto_intensity(("CT",), fingerprint_of([_measures(foreground_samples=[[]])]))


def test_choice_resolves_words_and_keeps_numbers():
    fingerprint = _spacing_fingerprint((1, 1, 8), (1, 1, 8), (1, 1, 4))
    config = Choice(spacing_mm="median").preprocessor(fingerprint).get_config()
    assert config["spacing_mm"] == [1.0, 1.0, 8.0]
    config = Choice(spacing_mm="auto").preprocessor(fingerprint).get_config()
    assert config["spacing_mm"] == [1.0, 1.0, 4.8]
    fixed = Choice(spacing_mm=(1.0, 2.0, 3.0), volume_shape=(8, 8, 8))
    assert fixed.is_fixed
    assert fixed.preprocessor().get_config()["spacing_mm"] == [1.0, 2.0, 3.0]
    assert Choice(spacing_mm="native").preprocessor().spacing_mm is None
    for field in ("spacing_mm", "volume_shape", "intensity"):
        assert not dataclasses.replace(fixed, **{field: "auto"}).is_fixed


def test_wrong_values_are_named():
    with pytest.raises(InputError, match="preprocessing flags: spacing_mm must be 3"):
        Choice(spacing_mm=(0.0, 1.0, 1.0)).preprocessor()
