"""Centred crops and pads, and the way back by the same call."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import crop_or_pad, crop_or_pad_affine


@pytest.mark.parametrize("size, new_size", [*itertools.product((1, 2, 5, 6), repeat=2)])
def test_old_shape_brings_kept_voxels_back(size, new_size):
    volume = np.arange(1, size + 1).reshape(size, 1, 1)
    there = crop_or_pad(volume, (new_size, 1, 1), 0)
    assert there.shape == (new_size, 1, 1)
    back = np.ravel(crop_or_pad(there, (size, 1, 1), 0))
    kept = back != 0
    assert kept.sum() == min(size, new_size)
    np.testing.assert_array_equal(back[kept], np.ravel(volume)[kept])


def test_crops_and_pads_about_the_centre():
    volume = np.arange(6).reshape(1, 6, 1)
    cropped = crop_or_pad(volume, (3, 4, 1), -1)
    np.testing.assert_array_equal(cropped[1, :, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(cropped[0, :, 0], [-1] * 4)
    np.testing.assert_array_equal(cropped[2, :, 0], [-1] * 4)


def test_padding_is_per_channel_and_changes_no_voxel():
    volume = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    padded = crop_or_pad(volume, (5, 4, 5), volume.min(axis=(0, 1, 2))).numpy()
    np.testing.assert_array_equal(padded[1:4], volume)
    for channel in range(2):
        outside = padded[[0, 4], ..., channel]
        np.testing.assert_array_equal(outside, volume[..., channel].min())


@pytest.mark.parametrize("new_shape", [(4, 9, 5), (5, 2, 8)])
def test_affine_keeps_places_in_the_world(new_shape):
    affine = np.array([[0, -2, 0, 9], [1, 0, 0, -4], [0, 0, 3, 5], [0, 0, 0, 1]], float)
    shape = (6, 5, 4)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    marked = crop_or_pad(index.astype(np.int32), new_shape, -1).numpy()
    new_affine = crop_or_pad_affine(affine, shape, new_shape).numpy()
    kept = np.argwhere((marked >= 0).all(axis=-1))
    assert len(kept)
    np.testing.assert_allclose(
        kept @ new_affine[:3, :3].T + new_affine[:3, 3],
        marked[tuple(kept.T)] @ affine[:3, :3].T + affine[:3, 3],
    )


def test_graph_with_unknown_shape():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 2], tf.float32)])
    def pad(volume):
        padded = crop_or_pad(volume, (4, 4, 4), 0.0)
        assert padded.shape[-1] == 2
        return padded

    assert pad(np.ones((3, 5, 4, 2), np.float32)).shape == (4, 4, 4, 2)
