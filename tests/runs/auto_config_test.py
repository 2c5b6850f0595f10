"""Recommended settings fit the data, the network and the budget."""

import math

import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.runs import auto_config
from tf_diffseg.runs.auto_config import recommended_config

CHANNELS = (16, 32, 64, 128)


def _fingerprint(extent_mm=(50.0, 60.0, 40.0), spacing_mm=(1.0, 1.0, 1.0)):
    return {
        "spacing_mm": {"median": list(spacing_mm)},
        "extent_mm": {"median": list(extent_mm)},
    }


def _recommend(memory_gib, num_channels=CHANNELS, volume_shape=None, **fingerprint):
    preprocessing = {"spacing_mm": None, "volume_shape": volume_shape}
    return recommended_config(
        _fingerprint(**fingerprint), preprocessing, num_channels, memory_gib
    )


def test_the_patch_is_the_median_case_if_memory_allows():
    assert _recommend(64.0) == {
        "patch_shape": (56, 64, 40),
        "scale_factor": (2, 2, 2),
        "batch_size": 2,
    }
    assert _recommend(64.0, volume_shape=[48, 64, 48])["patch_shape"] == (48, 64, 48)
    # The spacing of training counts, not that of the files.
    preprocessing = {"spacing_mm": [0.5, 1.0, 1.0], "volume_shape": None}
    config = recommended_config(_fingerprint(), preprocessing, CHANNELS, 64.0)
    assert config["patch_shape"] == (104, 64, 40)


@pytest.mark.parametrize("memory_gib", [1.1, 1.5, 2.0, 4.0, 16.0, 80.0])
@pytest.mark.parametrize("num_channels", [CHANNELS, (32, 64, 128, 256, 320)])
@pytest.mark.parametrize("extent_mm", [(50, 60, 40), (400, 400, 600)])
def test_the_patch_fits_the_budget_and_fills_it(memory_gib, num_channels, extent_mm):
    config = _recommend(memory_gib, num_channels, extent_mm=extent_mm)
    patch, batch_size = config["patch_shape"], config["batch_size"]
    per_voxel = auto_config.BYTES_PER_VOXEL_AND_FEATURE * num_channels[0]
    gib = batch_size * math.prod(patch) * per_voxel / 2**30 + auto_config.PROCESS_GIB
    assert gib <= memory_gib
    step = 2 ** (len(num_channels) - 1)
    assert all(size % step == 0 and size >= 16 for size in patch)
    # The last cut was needed: with a step more it would be too much, or there is none.
    more = (min(patch) + step) * math.prod(patch) / min(patch)
    is_whole = all(s >= mm for s, mm in zip(patch, extent_mm, strict=True))
    assert is_whole or more * per_voxel / 2**30 + auto_config.PROCESS_GIB > memory_gib


def test_an_axis_of_long_voxels_keeps_its_resolution():
    config = _recommend(64.0, extent_mm=(100, 100, 45), spacing_mm=(1.0, 1.0, 3.0))
    assert config["scale_factor"] == (2, 2, 1)
    assert config["patch_shape"] == (104, 104, 15)
    config = _recommend(64.0, extent_mm=(100, 100, 45), spacing_mm=(1.0, 1.0, 2.0))
    assert config["scale_factor"] == (2, 2, 2)


def test_the_longest_axis_in_millimetres_is_cut():
    config = _recommend(1.2, extent_mm=(40, 40, 90), spacing_mm=(0.5, 0.5, 1.5))
    patch = config["patch_shape"]
    extents = [size * mm for size, mm in zip(patch, (0.5, 0.5, 1.5), strict=True)]
    assert max(extents) <= 2 * min(extents)


def test_too_little_memory_is_refused():
    with pytest.raises(InputError, match="16x16x16 does not fit in 1 GiB"):
        _recommend(1.0)
