"""An export is a Keras model again, on the weights as they are stored."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.serving.exported_toy import SEEDS, ExportedToy, preprocessed
from tf_diffseg.models import UNet3D
from tf_diffseg.serving import StoredWeights, load_network
from tf_diffseg.serving.exported_network import NETWORK_FILE, write_network


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    # Losses by time step are weights too, which belong to no layer.
    return ExportedToy(
        tmp_path_factory.mktemp("export"),
        model_options={"timestep_sampling": "loss"},
        weights="float16",
    )


def test_weights_are_those_stored_and_of_float32(toy):
    model = load_network(toy.path)
    assert model.get_config() == toy.model.get_config()
    for found, original in zip(model.weights, toy.model.weights, strict=True):
        assert found.path == original.path
        assert found.dtype == original.dtype
        if found.dtype == "float32":
            expected = np.asarray(original).astype(np.float16).astype(np.float32)
            np.testing.assert_array_equal(np.asarray(found), expected)


def test_it_predicts_as_the_export(toy):
    image = preprocessed()
    expected = toy.run("serving_default", image=image, seed=SEEDS)["probabilities"]
    found = load_network(toy.path).sample(tf.constant(image), tf.constant(SEEDS))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _written(folder, dtype="bfloat16"):
    """An export as far as `load_network` reads it, of a network by itself."""
    model = UNet3D(2, num_channels=(4,), num_heads=0)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    stored = StoredWeights(model, dtype)
    tf.saved_model.save(stored.module, str(folder))
    write_network(model, stored, folder)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_type_of_weights_is_read(tmp_path, dtype):
    model = _written(tmp_path, dtype)
    for found, original in zip(
        load_network(tmp_path).weights, model.weights, strict=True
    ):
        expected = tf.cast(tf.cast(np.asarray(original), dtype), tf.float32)
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_an_export_of_before_says_so(tmp_path):
    _written(tmp_path)
    (tmp_path / NETWORK_FILE).unlink()
    with pytest.raises(ValueError, match=r"has no assets/keras_model\.json"):
        load_network(tmp_path)


@pytest.mark.parametrize("damage", ["json", "class", "config", "name", "shape", "file"])
def test_a_damaged_export_is_refused(tmp_path, damage):
    _written(tmp_path)
    path = tmp_path / NETWORK_FILE
    network = json.loads(path.read_text())
    if damage == "class":
        network["class"] = "other>Network"
    elif damage == "config":
        network["config"]["out_channel"] = network["config"].pop("out_channels")
    elif damage == "name":
        network["weights"][0] = "trunk/kernel"
    elif damage == "shape":
        network["weights"][:2] = network["weights"][1::-1]
    path.write_text("{" if damage == "json" else json.dumps(network))
    if damage == "file":
        variables = next((tmp_path / "variables").glob("*.data-*"))
        content = bytearray(variables.read_bytes())
        content[10] ^= 1
        variables.write_bytes(content)
    with pytest.raises(ValueError, match="no whole Keras model|read as JSON"):
        load_network(tmp_path)


def test_other_keras_models_are_exported_as_well(tmp_path):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    (tmp_path / "assets").mkdir()
    write_network(model, StoredWeights(model), tmp_path)
    names = json.loads((tmp_path / NETWORK_FILE).read_text())["weights"]
    assert [name.rpartition("/")[2] for name in names] == ["kernel", "bias"]
