"""Shares of the classes in blocks, of known voxels and within the volume alone."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.diffusion import label_to_mask
from tf_diffseg.training.batches.coarse_mask import coarse_mask
from tf_diffseg.training.batches.ignored_voxels import UNKNOWN, mark_ignored


@pytest.mark.parametrize("factor", [(2, 2, 2), (4, 2, 1)])
@pytest.mark.parametrize("shape", [(8, 4, 4), (7, 5, 3), (1, 4, 2)])
def test_shares_are_of_the_known_voxels_of_each_block(shape, factor):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, (2, *shape))
    label[rng.random(label.shape) < 0.5] = 255
    mask = mark_ignored(label_to_mask(np.minimum(label, 2), 3), label, 255)

    found = tf.function(coarse_mask)(mask, factor, (4, 4, 4)).numpy()

    padded = -(-np.array(shape) // 4) * 4
    assert found.shape == (2, *padded // factor, 3)
    for index in np.ndindex(*found.shape[:4]):
        where = [
            slice(i * f, (i + 1) * f) for i, f in zip(index[1:], factor, strict=True)
        ]
        block = label[(index[0], *where)]
        known = block[block != 255]
        expected = [np.mean(known == c) for c in range(3)] if known.size else UNKNOWN
        np.testing.assert_allclose(found[index], expected, rtol=1e-6)


def test_overlapping_classes_have_shares_of_their_own():
    mask = np.zeros([1, 2, 2, 2, 2], np.float32)
    mask[0, 0, :, :, 0], mask[0, 0, 0, 0, 1] = 1.0, 1.0
    found = coarse_mask(mask, (2, 2, 2), (2, 2, 2))
    np.testing.assert_allclose(found[0, 0, 0, 0], [0.5, 0.125])
