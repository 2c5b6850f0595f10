"""A network's weights by layer, and the meaning of its input and output channels.

`UNet3D` gives all layers names. A file of Keras orders layers by class and number
(`conv3d_transpose_1`), which is another layer in a network of another depth; but it
holds the names, too.
"""

import dataclasses
from typing import NamedTuple

import h5py
import numpy as np


class Inputs(NamedTuple):
    """Some of the stem's input channels.

    Attributes:
        span: slice of them.
        kind: their meaning; two networks agree on it if it is equal.
    """

    span: slice
    kind: tuple


@dataclasses.dataclass(frozen=True)
class Channels:
    """Meaning of a network's input and output channels.

    Their number is not enough: an image of two channels and a mask of two classes need
    a kernel of the same shape as one channel and three classes.

    Attributes:
        inputs: `Inputs` by name: "image", "x_t", "condition".
        outputs: meaning of the head's output channels, as `Inputs.kind`.
        corrections: the same of the logits that a mask branch corrects, if it does.
    """

    inputs: dict[str, Inputs]
    outputs: tuple
    corrections: tuple = ()


@dataclasses.dataclass(frozen=True)
class NetworkWeights:
    """Weights of a network.

    Attributes:
        layers: dict from a layer's path, such as "encoder_0_0/norm", to its weights.
        channels: `Channels`; None for a file, which does not tell.
    """

    layers: dict[str, list]
    channels: Channels | None

    @property
    def has_time(self):
        """Whether the network is conditioned on a time, as in diffusion."""
        return any(path.startswith("time_embedding/") for path in self.layers)


def weights_of(model):
    """`NetworkWeights` of the Keras variables of a `UNet3D`."""
    layers: dict[str, list] = {}
    for layer in model.layers:
        for variable in layer.weights:
            layers.setdefault(_layer_path(layer, variable), []).append(variable)
    return NetworkWeights(layers, _channels(model))


def _layer_path(layer, variable):
    """Path of the layer that owns a variable, without outer scopes."""
    path = f"/{variable.path}"
    start = path.index(f"/{layer.name}/") + 1
    return path[start:].rpartition("/")[0]


def _channels(model):
    regions = getattr(model, "regions", None)
    # A plain `UNet3D` does not know its classes.
    num_classes = getattr(model, "num_classes", model.mask_channels)
    classes = (num_classes, regions and tuple(map(tuple, regions)))
    kinds: dict[str, tuple] = {"image": (model.image_channels,)}
    # A mask branch has a stem of its own.
    if model.mask_channels and not model.mask_branch:
        names = ("x_t", "condition")[: model.mask_channels // num_classes]
        kinds |= dict.fromkeys(names, classes)
    inputs: dict[str, Inputs] = {}
    start = 0
    for name, kind in kinds.items():
        inputs[name] = Inputs(slice(start, start + kind[0]), kind)
        start += kind[0]
    predicted = getattr(model, "model_output", None)
    outputs = (*classes, model.out_channels, predicted)
    corrects = model.mask_branch and model.mask_output == "logits"
    return Channels(inputs, outputs, outputs if corrects else ())


def read_weights(path):
    """`NetworkWeights` of a file that `keras.Model.save_weights` wrote.

    Args:
        path: path of a `.weights.h5` file.

    Returns:
        `NetworkWeights` of arrays, without `channels`.

    Raises:
        OSError: it cannot be read, or is no HDF5 file.
        ValueError: it is an HDF5 file of another kind.
    """
    with h5py.File(path) as file:
        layers = file.get("layers")
        if not isinstance(layers, h5py.Group):
            raise ValueError(
                "is an HDF5 file without the layers that Keras's save_weights writes"
            )
        return NetworkWeights(dict(_named_layers(layers)), None)


def _named_layers(group, path=()):
    """Yields the path of each layer below a group, and its weights."""
    for layer in group.values():
        own = layer.get("vars") if isinstance(layer, h5py.Group) else None
        if own is None:
            continue
        name = own.attrs.get("name")
        if name is None and len(own):
            raise ValueError(
                "does not name its layers, as files of older versions of Keras do "
                "not: load it into its own model, and save that as .keras"
            )
        inner = (*path, str(name))
        if len(own):
            numbers = sorted(own, key=int)
            yield "/".join(inner), [np.asarray(own[number]) for number in numbers]
        others = {key: value for key, value in layer.items() if key != "vars"}
        yield from _named_layers(others, inner)
