"""A copy of a network has the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.saving.copies import copy_of
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D

_IMAGE = tf.random.stateless_normal([1, 8, 8, 8, 1], [0, 1])


@pytest.mark.parametrize("cls", [SegmentationUNet3D, DiffusionUNet3D])
def test_the_copy_predicts_as_one_that_was_made_so(cls):
    arguments = {"num_classes": 2, "num_channels": (4, 8), "num_heads": 0}
    half = cls(dtype="mixed_bfloat16", **arguments)
    half.get_layer("down_0").trainable = False
    made = cls(dtype="float32", **arguments)
    made.set_weights(half.get_weights())
    copy = copy_of(half, dtype="float32")
    assert copy.dtype_policy.name == "float32" != half.dtype_policy.name
    assert not copy.get_layer("down_0").trainable
    seed = tf.zeros([1], tf.int32)
    np.testing.assert_array_equal(
        copy.sample(_IMAGE, seed).numpy(), made.sample(_IMAGE, seed).numpy()
    )
    assert (copy.sample(_IMAGE, seed) != half.sample(_IMAGE, seed)).numpy().any()
