"""Random patches: where they lie and what they hold."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.augmentation.resampling import cut
from tf_diffseg.data.random_patch import patch_start


def _case(shape, channels=2):
    """An image whose first channel is its label; all voxels have different values."""
    label = 1 + np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    rng = np.random.default_rng(0)
    others = rng.normal(size=(*shape, channels - 1))
    image = np.concatenate([label[..., np.newaxis], others], axis=-1)
    return image.astype(np.float32), label


def _random_patch(image, label, patch_shape, seed, **options):
    """Draws a patch and cuts it out of an image and its label."""
    start = patch_start(label, patch_shape, seed, **options)
    return cut(image, label, start, patch_shape)


def _seed(value):
    return tf.constant([value, 7], tf.int64)


def _start(label, shape):
    """First voxel of a patch of a volume of `_case`."""
    return tuple(int(i) for i in np.unravel_index(int(label[0, 0, 0]) - 1, shape))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape", [(3, 6, 7), (3, 2, 1), (5, 4, 4)])
def test_short_axes_are_padded_on_both_sides(shape, seed):
    patch_shape = (6, 5, 4)
    image, label = _case(shape)
    patch, patch_label = (
        array.numpy() for array in _random_patch(image, label, patch_shape, _seed(seed))
    )
    assert patch.shape == (*patch_shape, 2)
    inside = patch_label > 0
    # Half of the padding comes first; the odd voxel comes last.
    for axis, (size, wanted) in enumerate(zip(shape, patch_shape, strict=True)):
        before = max(wanted - size, 0) // 2
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(inside.any(axis=others))
        np.testing.assert_array_equal(
            found, np.arange(before, before + min(size, wanted))
        )
    flat = patch_label[inside] - 1
    np.testing.assert_array_equal(patch[inside], image.reshape(-1, 2)[flat])
    np.testing.assert_array_equal(
        patch[~inside],
        np.broadcast_to(image.min(axis=(0, 1, 2)), (np.sum(~inside), 2)),
    )


def test_all_places_are_equally_likely():
    shape, patch_shape = (4, 3, 6), (2, 3, 4)
    image, label = _case(shape)
    labels = tf.data.Dataset.range(900).map(
        lambda seed: _random_patch(image, label, patch_shape, tf.stack([seed, 0]))[1]
    )
    counts = collections.Counter(_start(patch, shape) for patch in labels)
    assert set(counts) == set(itertools.product(range(3), range(1), range(3)))
    # 100 of each are expected, with a standard deviation of 9.4.
    assert min(counts.values()) > 60 and max(counts.values()) < 140


def test_only_the_seed_decides():
    image, label = _case((9, 9, 9))

    def start(seed):
        return _start(_random_patch(image, label, (2, 2, 2), seed)[1], (9, 9, 9))

    tf.random.set_seed(1)
    first = [start(_seed(value)) for value in range(6)]
    tf.random.set_seed(2)
    assert [start(_seed(value)) for value in range(6)] == first
    assert len(set(first)) > 1


def _with_foreground(shape, *voxels):
    """A volume of background with one voxel each of class 1, 2 and so on."""
    label = np.zeros(shape, np.int32)
    for class_id, voxel in enumerate(voxels, start=1):
        label[voxel] = class_id
    return label


@pytest.mark.parametrize("voxel", [(10, 10, 10), (0, 5, 19), (19, 19, 0), (1, 18, 2)])
def test_a_foreground_patch_is_centred_on_its_voxel(voxel):
    label = _with_foreground((20, 20, 20), voxel)
    for seed in range(3):
        start = patch_start(label, (6, 7, 4), _seed(seed), foreground_share=1.0)
        expected = np.clip(np.subtract(voxel, (3, 3, 2)), 0, (14, 13, 16))
        np.testing.assert_array_equal(start, expected)


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_foreground_patches_is_kept(share):
    label = _with_foreground((40, 40, 40), (20, 20, 20))
    starts = tf.data.Dataset.range(400).map(
        lambda seed: patch_start(label, (4, 4, 4), tf.stack([seed, 0]), share)
    )
    count = sum(
        start == (18, 18, 18) for start in map(tuple, starts.as_numpy_iterator())
    )
    assert abs(count - 400 * share) < 3.5 * np.sqrt(400 * share * (1 - share))


@pytest.mark.parametrize("balance_classes, expected", [(False, 0.1), (True, 0.5)])
def test_classes_can_be_balanced(balance_classes, expected):
    label = np.zeros((30, 30, 30), np.int32)
    label[5, 5, 5:14] = 1
    label[25, 25, 25] = 3  # Class 2 is not there.
    starts = tf.data.Dataset.range(300).map(
        lambda seed: patch_start(
            label, (4, 4, 4), tf.stack([seed, 0]), 1.0, balance_classes
        )
    )
    rare = np.mean([start[0] > 15 for start in starts.as_numpy_iterator()])
    assert abs(rare - expected) < 0.1


def test_a_volume_without_foreground_gives_patches_anywhere():
    label = np.zeros((9, 9, 9), np.int32)
    starts = {
        tuple(patch_start(label, (3, 3, 3), _seed(seed), 1.0, True).numpy())
        for seed in range(10)
    }
    assert len(starts) > 5


IGNORED = 9


@pytest.mark.parametrize("balance_classes", [False, True])
@pytest.mark.parametrize("foreground_share", [0.0, 1.0])
def test_ignored_voxels_are_neither_foreground_nor_drawn(
    foreground_share, balance_classes
):
    """One voxel in a corner is foreground, one layer is known."""
    label = np.full((12, 12, 12), IGNORED, np.int32)
    label[10] = 0
    label[10, 1, 1] = 1
    for seed in range(10):
        start = patch_start(
            label, (3, 3, 3), _seed(seed), foreground_share, balance_classes, IGNORED
        ).numpy()
        assert start[0] == 9  # Centred on the layer.
        if foreground_share:
            np.testing.assert_array_equal(start, [9, 0, 0])


@pytest.mark.parametrize("foreground_share", [0.0, 0.5])
def test_an_ignored_id_without_voxels_changes_nothing(foreground_share):
    label = np.random.default_rng(0).integers(0, 3, (9, 8, 7)).astype(np.int32)
    everywhere = np.full_like(label, IGNORED)
    for seed in range(8):
        arguments = ((4, 5, 9), _seed(seed), foreground_share, True)
        np.testing.assert_array_equal(
            patch_start(label, *arguments),
            patch_start(label, *arguments, ignored_id=IGNORED),
        )
        # Nor does it if no voxel is known.
        np.testing.assert_array_equal(
            patch_start(0 * label, *arguments),
            patch_start(everywhere, *arguments, ignored_id=IGNORED),
        )


def test_padding_is_background_even_if_the_volume_is_ignored():
    image, _ = _case((2, 2, 2))
    label = np.full((2, 2, 2), IGNORED, np.int32)
    _, patch = _random_patch(image, label, (4, 4, 4), _seed(0), ignored_id=IGNORED)
    assert np.count_nonzero(patch == IGNORED) == 8
    assert np.count_nonzero(patch == 0) == 4**3 - 8
