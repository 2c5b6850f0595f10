"""Layers that training does not change."""

# Parts of a network, and how the names of their layers begin.
PARTS = {"encoder": ("stem", "time_embedding", "encoder_", "down_", "bottom_")}


def layers_of(model, part):
    """Names of the layers with weights in a part of a `UNet3D`, from the input on.

    Args:
        model: a `UNet3D`.
        part: one of `PARTS`.

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
    """Freezes layers of a `UNet3D`, given their names; call it before `fit`.

    Raises:
        ValueError: it has no such layer.
    """
    for name in names:
        model.get_layer(name).trainable = False
