"""Which cases are validated together."""

import itertools

import pytest

from tf_diffseg.data.validation_batches import batches_of_one_shape

_SMALL, _LARGE = (2, 3, 4), (4, 6, 8)


@pytest.mark.parametrize("num_devices", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_voxels", [0, 24, 100, 400, 10**9])
def test_each_case_is_in_one_batch_of_one_shape(batch_voxels, num_devices):
    shapes = [_SMALL, _LARGE, _SMALL, _SMALL, (9, 1, 1), _LARGE, _SMALL]
    batches = batches_of_one_shape(shapes, batch_voxels, num_devices)
    assert sorted(itertools.chain(*batches)) == list(range(len(shapes)))
    for batch in batches:
        (shape,) = {shapes[case] for case in batch}
        voxels = shape[0] * shape[1] * shape[2]
        assert len(batch) == 1 or len(batch) * voxels <= batch_voxels


def test_batches_are_as_large_as_allowed_and_leave_no_device_idle():
    assert batches_of_one_shape([_SMALL] * 5, 48) == [[0, 1], [2, 3], [4]]
    assert batches_of_one_shape([_SMALL] * 4, 10**9, 2) == [[0, 1], [2, 3]]
    assert batches_of_one_shape([_SMALL, _LARGE], 10**9) == [[1], [0]]
    assert batches_of_one_shape([], 10) == []
