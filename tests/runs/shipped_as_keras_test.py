"""The model that comes with the package is a Keras model, of its export's weights."""

import json

import numpy as np
import pytest
import tensorflow as tf

import tf_diffseg
from tf_diffseg.runs.shipped_models import find_model, model_names
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.flat_network import flat_network


@pytest.fixture(scope="module")
def folder():
    if "hippocampus" not in model_names():
        pytest.skip("no model in experiments/hub/hippocampus")
    return find_model("hippocampus")


@pytest.fixture(scope="module")
def model():
    return tf_diffseg.load_pretrained("hippocampus")


def test_its_config_is_that_of_its_training(folder, model):
    card = json.loads((folder / "assets" / "model_card.json").read_text())
    trained = TrainConfig(**card["training"])
    expected = flat_network(
        len(card["class_names"]), **trained.model_arguments()
    ).get_config()
    assert {**model.get_config(), "name": ""} == {**expected, "name": ""}


def test_its_weights_are_those_of_the_export_in_float32(folder, model):
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    stored = [name for name in reader.get_variable_to_shape_map() if "weights/" in name]
    assert len(model.weights) == len(stored) == 97
    for index, weight in enumerate(model.weights):
        value = reader.get_tensor(f"weights/{index}/.ATTRIBUTES/VARIABLE_VALUE")
        assert (value.dtype, weight.dtype) == (np.float16, "float32")
        np.testing.assert_array_equal(np.asarray(weight), value.astype(np.float32))


def test_it_predicts_what_the_export_predicts(folder, model):
    # A bright blob in noise, of which it takes some for either class.
    rng = np.random.default_rng(0)
    image = rng.normal(scale=0.3, size=(1, 40, 56, 40, 1))
    x, y, z = np.meshgrid(*(np.arange(n) - n / 2 for n in (40, 56, 40)), indexing="ij")
    image += 2.0 * np.exp(-((x / 6) ** 2 + (y / 14) ** 2 + (z / 6) ** 2))[..., None]
    inputs = {
        "image": tf.constant(image, tf.float32),
        "seed": tf.constant([3], tf.int32),
    }
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    expected = serve(**inputs)["probabilities"].numpy()
    found = model.sample(**inputs).numpy()
    assert (expected.max(axis=(0, 1, 2, 3)) > 0.5).all()
    # Five steps of 32-bit rounding, in which each feeds the next one.
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert (found.argmax(-1) != expected.argmax(-1)).mean() < 1e-4


def test_it_is_fitted_to_other_classes_and_channels(model):
    network = tf_diffseg.DiffusionUNet3D(num_classes=4, image_channels=2)
    report = tf_diffseg.init_from(network, "hippocampus", freeze="encoder")
    names = {misfit.name.split("/")[0] for misfit in report.misfits}
    assert names == {"stem", "head"}
    fresh = {"stem", "head"}
    for layer in network.layers:
        if layer.weights and layer.name not in fresh:
            originals = model.get_layer(layer.name).get_weights()
            for value, original in zip(layer.get_weights(), originals, strict=True):
                np.testing.assert_array_equal(value, original)
