"""Layers that training leaves as they are."""

# The way down, what is coarsest, and the time, which both follow.
_ENCODER = ("stem", "time_embedding", "encoder_", "down_", "bottom_")
# Names of parts, and how the names of their layers begin.
PARTS = {"encoder": _ENCODER}


def layers_of(model, part):
    """Names of the layers with weights in a part of a network.

    Args:
        model: a `UNet3D`.
        part: one of `PARTS`.

    Returns:
        List of names, from the input on.

    Raises:
        ValueError: there is no such part.
    """
    if part not in PARTS:
        raise ValueError(f"freeze must be one of {', '.join(PARTS)}, got {part!r}")
    return [
        layer.name
        for layer in model.layers
        if layer.weights and layer.name.startswith(PARTS[part])
    ]


def freeze_layers(model, names):
    """Has training leave layers as they are; to be called before `fit`.

    Args:
        model: a `UNet3D`.
        names: of its layers.

    Raises:
        ValueError: it has no such layer.
    """
    for name in names:
        model.get_layer(name).trainable = False
