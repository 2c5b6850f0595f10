"""Padding to multiples and cropping back."""

import numpy as np
import pytest

from tests.models.layer_contract import assert_layer_contract
from tests.models.toy_network import outputs_of
from tf_diffseg.models.fit_shape import CropLike, PadToMultiple


def _volume(shape, channels=2):
    size = int(np.prod(shape)) * channels
    return 1.0 + np.arange(size, dtype=np.float32).reshape(1, *shape, channels)


def test_pad_contract(tmp_path):
    volume = _volume((5, 3, 1))
    assert_layer_contract(PadToMultiple, {"multiple": (2, 3, 4)}, [volume], tmp_path)


def test_crop_contract(tmp_path):
    inputs = [_volume((6, 3, 4)), _volume((5, 3, 1), channels=1)]
    assert_layer_contract(CropLike, {}, inputs, tmp_path)


@pytest.mark.parametrize(
    "shape, multiple, padded_shape",
    [
        ((5, 3, 1), (2, 3, 4), (6, 3, 4)),
        ((8, 6, 4), (4, 3, 2), (8, 6, 4)),
        ((9, 2, 2), (8, 1, 1), (16, 2, 2)),
    ],
)
def test_pads_zeros_at_the_ends_and_crops_them(shape, multiple, padded_shape):
    volume = _volume(shape)
    layer = PadToMultiple(multiple)
    padded = outputs_of(layer, volume)
    assert padded.shape == (1, *padded_shape, 2)
    x, y, z = shape
    np.testing.assert_array_equal(padded[:, :x, :y, :z], volume)
    assert np.count_nonzero(padded) == volume.size
    np.testing.assert_array_equal(outputs_of(CropLike(), padded, volume), volume)


def test_unknown_sizes_stay_unknown():
    shape = PadToMultiple((2, 4, 8)).compute_output_shape((None, None, 5, 9, 3))
    assert shape == (None, None, 8, 16, 3)
