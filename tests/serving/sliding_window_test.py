"""An exported model goes through volumes of any size by windows."""

import numpy as np
import tensorflow as tf

from tests.serving.exported_toy import ExportedToy


def test_an_export_has_the_windows_in_its_graph(tmp_path):
    exported = ExportedToy(tmp_path, preprocessing={}, window_shape=(8, 8, 6))
    rng = np.random.default_rng(0)
    seed = tf.constant([3])
    sample, segment = (
        tf.function(function, reduce_retracing=True)
        for function in (exported.segmenter.sample, exported.segmenter)
    )
    for shape in [(13, 8, 9), (5, 6, 4)]:
        image = rng.normal(size=(1, *shape, 1)).astype(np.float32)
        served = exported.run("serving_default", image=image, seed=seed)
        np.testing.assert_allclose(
            served["probabilities"], sample(tf.constant(image), seed), atol=1e-4
        )
        affine = tf.eye(4)[tf.newaxis]
        label = exported.run("segment_volume", image=image, affine=affine, seed=seed)
        expected = segment(tf.constant(image[0]), affine[0], tf.constant(3))
        np.testing.assert_array_equal(label["label"][0], expected)
