"""Means over the voxels that are labelled."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.losses.voxels import mean_over_voxels


@pytest.mark.parametrize("channels", [(), (3,)], ids=["voxels", "channels"])
def test_unlabelled_voxels_do_not_count(channels):
    loss = np.random.default_rng(0).uniform(size=(2, 4, 5, *channels))
    is_labelled = np.zeros([2, 4, 5], bool)
    is_labelled[0, 1:3, :2] = True

    mean = mean_over_voxels(tf.constant(loss), is_labelled)

    np.testing.assert_allclose(mean, [loss[0, 1:3, :2].mean(), 0.0])
