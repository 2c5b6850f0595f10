"""Which layers and weights of a network are trained, as a dict for JSON.

Keras saves the weights of a layer, but not whether the layer was frozen.
"""


def weight_places(network):
    """The weights of a network by place.

    Args:
        network: a Keras model whose layers have names.

    Returns:
        Dict from places, such as "encoder_0_0/norm/kernel", to Keras variables.
    """
    layer_weights = {
        f"{place}/{weight.name}": weight
        for place, layer, _ in _walk(network)
        for weight in _own_weights(layer)
    }
    return layer_weights | {weight.name: weight for weight in _own_weights(network)}


def trainable_state(network):
    """Where `trainable` differs from that of the enclosing layer.

    Args:
        network: a Keras model whose layers have names.

    Returns:
        Dict from places of layers ("stem", "encoder_0_0/norm") and weights
        ("head/bias") to bools; empty if all layers are like the network.
    """
    state = {}
    for place, layer, parent in _walk(network):
        if layer.trainable != parent.trainable:
            state[place] = layer.trainable
        for weight in _own_weights(layer):
            if weight.trainable != layer.trainable:
                state[f"{place}/{weight.name}"] = weight.trainable
    return state


def set_trainable_state(network, state):
    """Freezes and unfreezes layers and weights as in another network.

    Args:
        network: a Keras model with the same layers.
        state: `trainable_state` of the other network.

    Raises:
        ValueError: if the network has no such place.
    """
    known = set()
    # Outer layers first: setting `trainable` of a layer sets that of its inner layers.
    for place, layer, parent in _walk(network):
        layer.trainable = state.get(place, parent.trainable)
        known.add(place)
        for weight in _own_weights(layer):
            inner = f"{place}/{weight.name}"
            weight.trainable = state.get(inner, layer.trainable)
            known.add(inner)
    unknown = sorted(set(state) - known)
    if unknown:
        raise ValueError(
            f"trainable_state names {', '.join(unknown)}, and the network has no such "
            "layer or weight"
        )


def _walk(parent, prefix=""):
    """Yields (place, layer, enclosing layer or network), outer layers first."""
    for layer in parent._flatten_layers(include_self=False, recursive=False):
        if prefix and not layer.weights:
            continue  # Keras numbers these in its own layers: their names change.
        place = f"{prefix}{layer.name}"
        yield place, layer, parent
        yield from _walk(layer, f"{place}/")


def _own_weights(layer):
    """The weights that belong to no inner layer."""
    inner = {
        id(weight)
        for each in layer._flatten_layers(include_self=False)
        for weight in each.weights
    }
    return [weight for weight in layer.weights if id(weight) not in inner]
