"""Which windows are validated, and together."""

import itertools

import numpy as np
import pytest

from tf_diffseg.data.validation_batches import batches_of_windows, validated_windows

_IGNORED = 9


def _label(shape, *voxels, value=1):
    label = np.zeros(shape, np.int32)
    for voxel in voxels:
        label[voxel] = value
    return label


def test_windows_without_foreground_are_left_out():
    labels = [_label((8, 4, 4), (7, 0, 0)), _label((8, 4, 4), (0, 0, 0), (7, 0, 0))]
    found = validated_windows(labels, (4, 4, 4))
    assert found == [(0, 4, 0, 0), (1, 0, 0, 0), (1, 4, 0, 0)]


def test_a_case_without_foreground_is_validated_as_a_whole():
    empty, unknown = _label((8, 4, 4)), _label((8, 4, 4), (7, 0, 0), value=_IGNORED)
    expected = [(0, 0, 0, 0), (0, 4, 0, 0)]
    assert validated_windows([empty], (4, 4, 4)) == expected
    assert validated_windows([unknown], (4, 4, 4), _IGNORED) == expected
    assert validated_windows([unknown], (4, 4, 4)) == expected[1:]


def test_slices_are_windows():
    label = _label((5, 6, 4), (0, 0, 1), (2, 2, 3))
    assert validated_windows([label], (5, 6, 1)) == [(0, 0, 0, 1), (0, 0, 0, 3)]


@pytest.mark.parametrize("num_devices", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_voxels", [0, 24, 48, 100, 10**9])
@pytest.mark.parametrize("number", [0, 1, 5, 7])
def test_each_window_is_in_one_batch(number, batch_voxels, num_devices):
    windows = [(case, 0, 0, 0) for case in range(number)]
    batches = batches_of_windows(windows, (2, 3, 4), batch_voxels, num_devices)
    assert list(itertools.chain(*batches)) == windows
    for batch in batches:
        assert len(batch) == 1 or 24 * len(batch) <= batch_voxels
        assert batch is batches[-1] or len(batch) == len(batches[0])
    # Batches are not so large that a device is idle.
    assert len(batches) >= min(num_devices, number) / 2
