"""RAS+ agrees with nibabel, and the way back is exact."""

import itertools

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation

from tf_diffseg.preprocessing import orientation

_AXIS_ORDERS = [
    (permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
_SPACING_MM = (0.8, 1.3, 2.5)


def _axis_aligned_affine(permutation, signs):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[list(permutation)] * signs * np.array(_SPACING_MM)
    affine[:3, 3] = (-90.0, 126.5, -72.25)
    return affine


def _assert_like_nibabel(volume, affine):
    expected = nib.as_closest_canonical(nib.Nifti1Image(volume, affine))
    canonical, new_affine = orientation.to_canonical(volume, affine)
    np.testing.assert_array_equal(canonical, np.asarray(expected.dataobj))
    np.testing.assert_allclose(new_affine, expected.affine, rtol=1e-6, atol=1e-4)
    restored = orientation.from_canonical(canonical, affine)
    np.testing.assert_array_equal(restored, volume)


@pytest.fixture
def volume():
    return np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3)


@pytest.mark.parametrize("permutation, signs", _AXIS_ORDERS)
def test_axis_aligned(volume, permutation, signs):
    _assert_like_nibabel(volume, _axis_aligned_affine(permutation, signs))


@pytest.mark.parametrize("permutation, signs", _AXIS_ORDERS[::5])
@pytest.mark.parametrize("degrees", [5, 15, 35])
def test_oblique(volume, permutation, signs, degrees):
    axis = np.random.default_rng(degrees).normal(size=3)
    rotvec = np.deg2rad(degrees) * axis / np.linalg.norm(axis)
    rotation = np.eye(4)
    rotation[:3, :3] = Rotation.from_rotvec(rotvec).as_matrix()
    _assert_like_nibabel(volume, rotation @ _axis_aligned_affine(permutation, signs))


def test_spacing_and_shear_do_not_count():
    affine = np.diag([1.0, 1.0, 8.0, 1.0])
    affine[:3, 2] += (3.0, 0.0, 0.0)  # a tilted gantry, slices 8 mm apart
    permutation, flips = orientation.canonical_axes(affine)
    np.testing.assert_array_equal(permutation, [0, 1, 2])
    assert not np.any(flips)


def test_graph_with_unknown_shape_keeps_the_channels():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 2], tf.float32),
            tf.TensorSpec([4, 4], tf.float32),
        ]
    )
    def there_and_back(volume, affine):
        canonical, _ = orientation.to_canonical(volume, affine)
        assert canonical.shape.as_list() == [None, None, None, 2]
        return canonical, orientation.from_canonical(canonical, affine)

    volume = np.random.default_rng(0).normal(size=(5, 4, 3, 2)).astype(np.float32)
    affine = _axis_aligned_affine((2, 0, 1), (-1, 1, -1))
    canonical, restored = there_and_back(volume, affine.astype(np.float32))
    eager, _ = orientation.to_canonical(volume, affine)
    np.testing.assert_array_equal(canonical, eager)
    np.testing.assert_array_equal(restored, volume)


def test_order_of_values_per_axis(volume):
    affine = _axis_aligned_affine((2, 0, 1), (-1, 1, 1))
    canonical, new_affine = orientation.to_canonical(volume, affine)
    shape = orientation.canonical_order(volume.shape, affine)
    np.testing.assert_array_equal(shape, canonical.shape)
    spacing = orientation.canonical_order(np.array(_SPACING_MM), affine)
    expected = np.linalg.norm(new_affine[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, expected, rtol=1e-6)
