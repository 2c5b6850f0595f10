"""An export loads as a Keras model, with the weights as stored."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.serving.exported_toy import SEEDS, preprocessed
from tf_diffseg.models import UNet3D
from tf_diffseg.serving import StoredWeights, load_network
from tf_diffseg.serving.exported_network import NETWORK_FILE, write_network


def test_a_loaded_model_has_the_stored_weights_and_predicts_as_the_export(half_export):
    loaded, exported = load_network(half_export.path), half_export.model
    assert loaded.get_config() == exported.get_config()
    for found, original in zip(loaded.weights, exported.weights, strict=True):
        assert found.path == original.path
        assert found.dtype == original.dtype
        if found.dtype == "float32":
            expected = np.asarray(original).astype(np.float16).astype(np.float32)
            np.testing.assert_array_equal(np.asarray(found), expected)
    inputs = {"image": preprocessed(), "seed": SEEDS}
    expected = half_export.run("serving_default", **inputs)["probabilities"]
    found = loaded.sample(*map(tf.constant, inputs.values()))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-5)


def _written(folder, dtype="bfloat16"):
    """Writes the parts of an export that `load_network` reads, of a network alone."""
    model = UNet3D(2, num_channels=(4,), num_heads=0)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    stored = StoredWeights(model, dtype)
    tf.saved_model.save(stored.module, str(folder))
    write_network([model], stored, folder)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_weights_of_every_type_are_read(tmp_path, dtype):
    model = _written(tmp_path, dtype)
    for found, original in zip(
        load_network(tmp_path).weights, model.weights, strict=True
    ):
        expected = tf.cast(tf.cast(np.asarray(original), dtype), tf.float32)
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_an_export_of_an_older_version_is_refused(tmp_path):
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


def test_the_network_of_any_keras_model_is_written(tmp_path):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    (tmp_path / "assets").mkdir()
    write_network([model], StoredWeights(model), tmp_path)
    names = json.loads((tmp_path / NETWORK_FILE).read_text())["weights"]
    assert [name.rpartition("/")[2] for name in names] == ["kernel", "bias"]
