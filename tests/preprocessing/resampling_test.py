"""Resampling keeps places in the world, averages and classes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.preprocessing import resampling


def _ramp_world(shape, affine):
    """Volume whose value is a linear function of the world position."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    return (world @ (1.0, -0.5, 0.25)).astype(np.float32)[..., np.newaxis]


def _resample_to(volume, affine, target_mm):
    ratio = resampling.spacing_ratio(resampling.voxel_spacing(affine), target_mm)
    shape = volume.shape[:3]
    new_shape = resampling.resampled_shape(shape, ratio)
    new_affine = resampling.resampled_affine(affine, ratio, shape, new_shape)
    return resampling.resample(volume, ratio, new_shape), new_affine.numpy()


@pytest.fixture
def oblique_affine():
    affine = np.eye(4)
    angle = 0.2
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine[:3, :3] *= (1.0, 1.5, 3.0)
    affine[:3, 3] = (-20.0, 31.0, 7.0)
    return affine


# For enlarging by any ratio, and for shrinking by a whole one, the weights are
# symmetric about the new voxel, and a linear function is reproduced exactly.
@pytest.mark.parametrize("target_mm", [(0.7, 1.1, 1.3), (2.0, 3.0, 9.0), (0.9, 6, 3)])
def test_world_positions_stay(oblique_affine, target_mm):
    volume = _ramp_world((24, 22, 20), oblique_affine)
    resampled, affine = _resample_to(volume, oblique_affine, target_mm)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    np.testing.assert_allclose(spacing, target_mm, rtol=1e-5)
    expected = _ramp_world(resampled.shape[:3], affine)
    # A border voxel has neighbours only on one side.
    inner = tuple(slice(2, size - 2) for size in resampled.shape[:3])
    np.testing.assert_allclose(resampled[inner], expected[inner], atol=2e-4)


def test_field_of_view_keeps_its_centre(oblique_affine):
    volume = np.zeros((24, 22, 20, 1), np.float32)
    resampled, affine = _resample_to(volume, oblique_affine, (1.7, 1.7, 1.7))
    centre = (np.array(volume.shape[:3]) - 1) / 2
    new_centre = (np.array(resampled.shape[:3]) - 1) / 2
    expected = oblique_affine @ [*centre, 1]
    np.testing.assert_allclose(affine @ [*new_centre, 1], expected, atol=1e-4)


def test_same_spacing_changes_no_bit():
    volume = np.random.default_rng(0).normal(size=(7, 6, 5, 2)).astype(np.float32)
    affine = np.diag([1.0, 1.0 + 3e-6, 0.9999995, 1.0])
    resampled, new_affine = _resample_to(volume, affine, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(resampled, volume)
    np.testing.assert_array_equal(new_affine, affine.astype(np.float32))


def test_shrinking_does_not_alias():
    # Voxels 4 times as large cannot show stripes 3 voxels apart. Averages of only the
    # two nearest voxels would leave half of their height.
    line = np.cos(2 * np.pi * np.arange(96) / 3).astype(np.float32)
    volume = np.broadcast_to(line[:, None, None, None], (96, 2, 2, 1))
    resampled, _ = _resample_to(volume, np.eye(4), (4.0, 1.0, 1.0))
    assert resampled.shape == (24, 2, 2, 1)
    assert np.abs(resampled[1:-1]).max() < 0.05


def test_constant_stays_constant_and_thin_axes_survive():
    volume = np.full((3, 1, 9, 1), 5.0, np.float32)
    resampled, _ = _resample_to(volume, np.eye(4), (2.0, 4.0, 0.6))
    assert resampled.shape == (2, 1, 15, 1)
    np.testing.assert_allclose(resampled, 5.0, rtol=1e-6)


@pytest.mark.parametrize("target_mm", [0.6, 1.0, 1.9])
def test_label_is_argmax_of_the_resampled_one_hot(target_mm):
    label = np.random.default_rng(1).integers(0, 4, (9, 8, 7))
    label = np.kron(label, np.ones((2, 2, 2), int)).astype(np.int32)
    ratio = tf.constant([target_mm] * 3, tf.float32)
    new_shape = resampling.resampled_shape(label.shape, ratio)
    one_hot = np.eye(4, dtype=np.float32)[label]
    expected = tf.argmax(resampling.resample(one_hot, ratio, new_shape), axis=-1)
    resampled = resampling.resample_label(label, ratio, new_shape)
    np.testing.assert_array_equal(resampled, expected)


def test_label_gets_no_class_between_its_neighbours():
    label = np.zeros((20, 4, 4), np.int32)
    label[10:] = 2  # averaging class ids would make class 1 at the border
    ratio = tf.constant([0.37, 1.0, 1.0])
    resampled = resampling.resample_label(label, ratio, tf.constant([54, 4, 4]))
    assert set(np.unique(resampled)) == {0, 2}


def test_label_in_a_graph_with_unknown_shape():
    label = np.random.default_rng(2).integers(0, 3, (6, 5, 4)).astype(np.int32)
    ratio, new_shape = tf.constant([0.5, 1.0, 2.0]), tf.constant([12, 5, 2])
    traced = tf.function(
        resampling.resample_label,
        input_signature=[
            tf.TensorSpec([None, None, None], tf.int32),
            tf.TensorSpec([3], tf.float32),
            tf.TensorSpec([3], tf.int32),
        ],
    )
    expected = resampling.resample_label(label, ratio, new_shape)
    np.testing.assert_array_equal(traced(label, ratio, new_shape), expected)
