"""What an export refuses, and the smallest request that it serves."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.bad_requests import bad_requests
from tests.serving.exported_toy import SEEDS
from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import ServedModel

_BAD_REQUESTS = bad_requests()


@pytest.mark.parametrize("name", _BAD_REQUESTS)
def test_a_bad_request_is_refused_with_a_message_of_what_was_expected(name, exported):
    signature, inputs, message = _BAD_REQUESTS[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        exported.run(signature, **inputs)


def test_one_voxel_is_served(exported):
    image, affine = np.ones((1, 1, 1, 1, 1), np.float32), np.eye(4, dtype=np.float32)
    inputs = {"image": image, "affine": affine[np.newaxis], "seed": SEEDS[:1]}
    served = exported.run("segment_volume", **inputs)
    assert served["label"].shape == served["uncertainty"].shape == (1, 1, 1, 1)


def test_a_limit_below_the_shape_of_the_network_is_refused():
    preprocessor = VolumePreprocessor(volume_shape=(8, 8, 6))
    segmenter = Segmenter(lambda image, seed: image, preprocessor, (0, 1))
    with pytest.raises(ValueError, match=r"at least those of \(8, 8, 6\).* got 383"):
        ServedModel(segmenter, 1, None, max_voxels=383)
    assert ServedModel(segmenter, 1, None, max_voxels=384)
