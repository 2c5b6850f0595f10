"""What an export refuses, and that a healthy request is served after it."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.bad_requests import MAX_VOXELS, bad_requests
from tests.serving.exported_toy import SEEDS, ExportedToy, volumes
from tf_diffseg.inference import Segmenter
from tf_diffseg.preprocessing import VolumePreprocessor
from tf_diffseg.serving import ServedModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ExportedToy(tmp_path_factory.mktemp("export"), max_voxels=MAX_VOXELS)


@pytest.mark.parametrize("name", bad_requests())
def test_bad_requests_are_refused_with_what_was_expected(name, exported):
    signature, inputs, message = bad_requests()[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        exported.run(signature, **inputs)


def test_one_voxel_is_served(exported):
    image = np.ones((1, 1, 1, 1, 1), np.float32)
    served = exported.run("serving_default", image=image, seed=SEEDS[:1])
    assert served["label"].shape == (1, 1, 1, 1)
    _, affine = volumes()
    served = exported.run(
        "segment_volume", image=image, affine=affine[:1], seed=SEEDS[:1]
    )
    assert served["label"].shape == served["uncertainty"].shape == (1, 1, 1, 1)


def test_a_limit_below_the_shape_of_the_network_is_refused():
    preprocessor = VolumePreprocessor(volume_shape=(8, 8, 6))
    segmenter = Segmenter(lambda image, seed: image, preprocessor, (0, 1))
    with pytest.raises(ValueError, match=r"at least those of \(8, 8, 6\).* got 383"):
        ServedModel(segmenter, 1, None, max_voxels=383)
    assert ServedModel(segmenter, 1, None, max_voxels=384)
