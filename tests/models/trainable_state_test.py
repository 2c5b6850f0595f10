"""What is frozen stays frozen in every copy of a network."""

import json

import keras
import numpy as np
import pytest

from tests.models.toy_network import toy_unet
from tf_diffseg.models import UNet3D
from tf_diffseg.models.trainable_state import (
    set_trainable_state,
    trainable_state,
    weight_places,
)


def _nothing(network):
    del network


def _all(network):
    network.trainable = False


def _encoder(network):
    for layer in network.layers[: len(network.layers) // 2]:
        layer.trainable = False


def _all_but_the_head(network):
    _all(network)
    network.trainable = True
    for layer in network.layers[:-2]:
        layer.trainable = False


def _inside_a_block(network):
    network.get_layer("bottom_0").conv_in.trainable = False
    network.get_layer("bottom_attention").attention.trainable = False


def _all_of_a_block_but_one_layer(network):
    block = network.get_layer("encoder_0_0")
    block.trainable = False
    block.norm_layer.trainable = True


def _one_weight(network):
    network.get_layer("head").bias.trainable = False


def _one_weight_of_a_frozen_layer(network):
    network.get_layer("head").trainable = False
    network.get_layer("head").kernel.trainable = True


def _a_layer_of_a_frozen_network(network):
    _all(network)
    network.get_layer("head").trainable = True


FREEZERS = [value for name, value in list(vars().items()) if name.startswith("_")]
FREEZERS = [each for each in FREEZERS if callable(each) and each.__module__ == __name__]


def _toy(**kwargs):
    kwargs = {"num_channels": (4, 8), "num_heads": 2, "dropout": 0.1} | kwargs
    return toy_unet(**kwargs)


def _flags(network):
    """Of all layers and weights, in order."""
    layers = [layer.trainable for layer in network._flatten_layers()]
    weights = [weight.trainable for weight in network.weights]
    return layers, weights, [w.name for w in network.trainable_variables]


@pytest.mark.parametrize("freeze", FREEZERS)
@pytest.mark.parametrize("copy", ["from_config", "to_json", "keras"])
def test_a_copy_is_frozen_where_the_network_is(freeze, copy, tmp_path):
    network = _toy()
    freeze(network)
    if copy == "from_config":
        other = UNet3D.from_config(network.get_config())
    elif copy == "to_json":
        other = keras.models.model_from_json(network.to_json())
    else:
        network.save(tmp_path / "network.keras")
        other = keras.saving.load_model(tmp_path / "network.keras")
        for ours, theirs in zip(network.weights, other.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert _flags(other) == _flags(network)
    assert other.get_config() == network.get_config()


def test_the_config_of_a_network_that_is_not_frozen_is_as_it_was():
    assert "trainable_state" not in _toy().get_config()


def test_the_state_names_layers_and_weights_and_json_holds_it():
    network = _toy()
    _all_of_a_block_but_one_layer(network)
    _one_weight(network)
    state = trainable_state(network)
    assert state == {
        "encoder_0_0": False,
        "encoder_0_0/norm": True,
        "head/bias": False,
    }
    assert json.loads(json.dumps(state)) == state


@pytest.mark.parametrize("norm", ["instance", "channel"])
def test_every_weight_has_a_place_of_its_own(norm):
    network = _toy(norm=norm)
    places = weight_places(network)
    assert [id(weight) for weight in places.values()] == list(map(id, network.weights))


def test_a_place_that_the_network_lacks_is_named():
    with pytest.raises(ValueError, match="names up_7, and the network has no such"):
        set_trainable_state(_toy(), {"up_7": False})
