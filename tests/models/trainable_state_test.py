"""Frozen layers and weights stay frozen in every copy of a network."""

import json

import keras
import pytest

from tests.models.toy_network import toy_unet
from tf_diffseg.models import UNet3D
from tf_diffseg.models.trainable_state import (
    set_trainable_state,
    trainable_state,
    weight_places,
)


def _freeze_all(network):
    network.trainable = False


def _freeze_the_encoder(network):
    for layer in network.layers[: len(network.layers) // 2]:
        layer.trainable = False


def _freeze_all_but_the_head(network):
    for layer in network.layers[:-2]:
        layer.trainable = False


def _freeze_inside_a_block(network):
    network.get_layer("bottom_0").conv_in.trainable = False
    network.get_layer("bottom_attention").attention.trainable = False


def _freeze_all_of_a_block_but_one_layer(network):
    block = network.get_layer("encoder_0_0")
    block.trainable = False
    block.norm_layer.trainable = True


def _freeze_one_weight(network):
    network.get_layer("head").bias.trainable = False


def _unfreeze_one_weight_of_a_frozen_layer(network):
    network.get_layer("head").trainable = False
    network.get_layer("head").kernel.trainable = True


def _unfreeze_a_layer_of_a_frozen_network(network):
    network.trainable = False
    network.get_layer("head").trainable = True


def _toy(**changes):
    changes = {"num_blocks": (1, 1), "num_heads": 2, "dropout": 0.1} | changes
    return toy_unet(**changes)


def _flags(network):
    """`trainable` of all layers and weights, in order."""
    layers = [layer.trainable for layer in network._flatten_layers()]
    weights = [weight.trainable for weight in network.weights]
    return layers, weights, [w.name for w in network.trainable_variables]


def _by_config(network, folder):
    return UNet3D.from_config(network.get_config())


def _by_json(network, folder):
    return keras.models.model_from_json(network.to_json())


def _by_file(network, folder):
    network.save(folder / "network.keras")
    return keras.saving.load_model(folder / "network.keras")


@pytest.mark.parametrize(
    "freeze, copy",
    [
        (_freeze_all, _by_config),
        (_freeze_the_encoder, _by_json),
        (_freeze_all_but_the_head, _by_file),
        (_freeze_inside_a_block, _by_config),
        (_freeze_all_of_a_block_but_one_layer, _by_file),
        (_freeze_one_weight, _by_json),
        (_unfreeze_one_weight_of_a_frozen_layer, _by_config),
        (_unfreeze_a_layer_of_a_frozen_network, _by_file),
    ],
)
def test_a_copy_is_frozen_like_the_network(freeze, copy, tmp_path):
    network = _toy()
    freeze(network)
    other = copy(network, tmp_path)
    assert _flags(other) == _flags(network)
    assert other.get_config() == network.get_config()


def test_the_config_of_a_network_that_is_not_frozen_has_no_state():
    assert "trainable_state" not in _toy().get_config()


def test_the_state_names_layers_and_weights_and_is_json():
    network = _toy()
    _freeze_all_of_a_block_but_one_layer(network)
    _freeze_one_weight(network)
    state = trainable_state(network)
    assert state == {
        "encoder_0_0": False,
        "encoder_0_0/norm": True,
        "head/bias": False,
    }
    assert json.loads(json.dumps(state)) == state


@pytest.mark.parametrize("norm", ["instance", "channel"])
def test_every_weight_has_its_own_place(norm):
    network = _toy(norm=norm)
    places = weight_places(network)
    assert [id(weight) for weight in places.values()] == list(map(id, network.weights))


def test_refuses_a_place_that_the_network_lacks():
    with pytest.raises(ValueError, match="names up_7, and the network has no such"):
        set_trainable_state(_toy(), {"up_7": False})
