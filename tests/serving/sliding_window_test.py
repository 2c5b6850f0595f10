"""An exported model goes through volumes of any size by windows."""

import numpy as np
import tensorflow as tf

from tf_diffseg.inference import Segmenter, SlidingWindow
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import export_saved_model
from tf_diffseg.training import DiffusionUNet3D


def test_an_export_has_the_windows_in_its_graph(tmp_path):
    model = DiffusionUNet3D(num_classes=3, num_channels=(4, 8), num_timesteps=3)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign_add(rng.normal(scale=0.2, size=weight.shape))
    sliding = SlidingWindow(model.sample, (8, 8, 6), (3,))
    segmenter = Segmenter(sliding, VolumePreprocessor(), (0, 4, 7))
    path = export_saved_model(segmenter, model, tmp_path, {})
    signatures = tf.saved_model.load(str(path)).signatures
    seed = tf.constant([3])
    sample, segment = (
        tf.function(function, reduce_retracing=True)
        for function in (sliding, segmenter)
    )
    for shape in [(13, 8, 9), (5, 6, 4)]:
        image = rng.normal(size=(1, *shape, 1)).astype(np.float32)
        served = signatures["serving_default"](image=tf.constant(image), seed=seed)
        np.testing.assert_allclose(
            served["probabilities"], sample(tf.constant(image), seed), atol=1e-4
        )
        affine = tf.eye(4)[tf.newaxis]
        label = signatures["segment_volume"](
            image=tf.constant(image), affine=affine, seed=seed
        )["label"]
        expected = segment(tf.constant(image[0]), affine[0], tf.constant(3))
        assert np.mean(label[0] == expected) > 0.99  # Rounding may turn a voxel.
