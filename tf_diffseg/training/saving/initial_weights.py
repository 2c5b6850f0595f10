"""Weights of another network, as far as they fit, for training to start from.

A layer is taken whole or not at all. The only exception is the first convolution, whose
kernel has channels for the image and channels for the noisy mask: each of these parts
is taken if it has the same meaning in both networks. So the image's part is taken even
if only one network is a diffusion model, or if the classes differ. The last layer is
taken if it predicts the same.
"""

import dataclasses
import itertools
import math
import textwrap

import numpy as np

from tf_diffseg.text_table import text_table
from tf_diffseg.training.saving.frozen_layers import freeze_layers
from tf_diffseg.training.saving.network_weights import Channels, weights_of

_STEM, _HEAD, _DEEP_HEADS = "stem", "head", "deep_"
_MASK_STEM, _MASK_HEAD = "mask_stem", "mask_head"


class MisfitError(ValueError):
    """No weight fits the network, or weights are not finite."""


@dataclasses.dataclass(frozen=True)
class Misfit:
    """A weight that is not taken.

    Attributes:
        name: name of the weight, such as "up_0/kernel", or of a part of the stem's.
        there: its shape in the other network; None if that does not have it.
        here: its shape in the network, where it starts afresh; None if the network
            does not have it.
    """

    name: str
    there: tuple[int, ...] | None
    here: tuple[int, ...] | None

    def cells(self):
        """Its row in a table."""
        note = "stands for something else" if self.there == self.here else ""
        return [self.name, _shape_text(self.there), _shape_text(self.here), note]


@dataclasses.dataclass(frozen=True)
class InitialWeights:
    """The weights that were taken and those that were not; as text, a table.

    Attributes:
        source: description of the other network.
        misfits: tuple of `Misfit`.
        num_taken: number of parameters that were taken.
        num_all: number of parameters of the network.
        frozen: names of the layers that training does not change.
    """

    source: str
    misfits: tuple[Misfit, ...]
    num_taken: int
    num_all: int
    frozen: tuple[str, ...] = ()

    def __str__(self):
        lines = [
            f"initial weights: {self.num_taken:,} of {self.num_all:,} parameters are "
            f"those of {self.source}"
        ]
        if self.misfits:
            titles = ["weight", "shape there", "shape here"]
            table = text_table([titles, *(misfit.cells() for misfit in self.misfits)])
            lines += [
                "what does not fit starts afresh, or is left if it has no shape here:",
                textwrap.indent(table, "  "),
            ]
        if self.frozen:
            lines.append(f"frozen: {', '.join(self.frozen)}")
        return "\n".join(lines)

    def is_whole(self, layer_name):
        """Whether all weights of a layer, such as "encoder_0_0", were taken."""
        afresh = [m.name for m in self.misfits if m.here is not None]
        return not any(name.startswith(f"{layer_name}/") for name in afresh)


@dataclasses.dataclass(frozen=True)
class _Piece:
    """Values for a part of a variable, `variable[index]`."""

    variable: object
    index: object
    values: np.ndarray


def take_weights(model, weights, source, freeze=()):
    """Gives a network the weights of another one, as far as they fit.

    Args:
        model: a `UNet3D`; an error leaves it unchanged.
        weights: `NetworkWeights` of the other network.
        source: description of the other network.
        freeze: names of layers to freeze; those that are not taken whole are not.

    Returns:
        `InitialWeights`.

    Raises:
        MisfitError: no weight fits, weights that fit are not finite, or no layer of
            `freeze` is taken whole.
    """
    pieces, report = _match(weights_of(model), weights, source)
    _check(pieces, report)
    frozen = tuple(name for name in freeze if report.is_whole(name))
    if freeze and not frozen:
        raise MisfitError(
            f"no layer to freeze is taken whole from {source}, each has weights that "
            f"would start afresh: {_first_misfit(report)}"
        )
    with model.distribute_strategy.scope():
        for piece in pieces:
            value = np.asarray(piece.variable).copy()
            value[piece.index] = piece.values
            piece.variable.assign(value)
    freeze_layers(model, frozen)
    return dataclasses.replace(report, frozen=frozen)


def _match(own, weights, source):
    """List of the `_Piece`s that fit, and the `InitialWeights`."""
    there = weights.channels or _likely_channels(own, weights)
    pieces: list[_Piece] = []
    misfits: list[Misfit] = []
    for path, variables in own.layers.items():
        layer = (path, variables, weights.layers.get(path, []))
        pieces_of = _stem_pieces if path == _STEM else _layer_pieces
        found, missing = pieces_of(*layer, own.channels, there)
        pieces += found
        misfits += missing
    for path, others in weights.layers.items():
        if path not in own.layers:
            misfits += _differences(path, [], others)
    return pieces, InitialWeights(
        source,
        tuple(sorted(misfits, key=lambda misfit: misfit.here is None)),
        sum(piece.values.size for piece in pieces),
        sum(math.prod(w.shape) for ws in own.layers.values() for w in ws),
    )


def _likely_channels(own, weights):
    """Channels of a file without them: the network's if all shapes agree, or none."""
    ends_agree = all(
        _shapes(own.layers[path]) == _shapes(weights.layers.get(path, []))
        for path in (_STEM, _HEAD)
    )
    if ends_agree and own.has_time == weights.has_time:
        return own.channels
    return Channels({}, ())


def _layer_pieces(path, variables, others, here, there):
    """The pieces of a whole layer, or its `Misfit`s."""
    agree = True
    if path == _HEAD or path.startswith(_DEEP_HEADS):
        agree = here.outputs == there.outputs
    elif path == _MASK_HEAD:
        agree = here.corrections == there.corrections
    elif path == _MASK_STEM:  # Its input has a channel for each class.
        agree = here.outputs[:2] == there.outputs[:2]
    if not agree or _shapes(variables) != _shapes(others):
        return [], _differences(path, variables, others)
    pairs = zip(variables, others, strict=True)
    return [_Piece(variable, ..., np.asarray(other)) for variable, other in pairs], []


def _stem_pieces(path, variables, others, here, there):
    """The kernel's input channels with the same meaning; `Misfit`s of the others."""
    (kernel,) = variables
    if _without_inputs(_shapes(variables)) != _without_inputs(_shapes(others)):
        return [], _differences(path, variables, others)
    other = np.asarray(others[0])
    pieces, misfits = [], []
    for name in {**here.inputs, **there.inputs}:
        own, its = here.inputs.get(name), there.inputs.get(name)
        if own is not None and its is not None and own.kind == its.kind:
            index = (..., own.span, slice(None))
            pieces.append(_Piece(kernel, index, other[..., its.span, :]))
        else:
            shapes = (_part_shape(kernel.shape, its), _part_shape(kernel.shape, own))
            misfits.append(Misfit(f"{path}/kernel, channels of {name}", *shapes))
    if not there.inputs:
        misfits = _differences(path, variables, others)
    return pieces, misfits


def _part_shape(kernel_shape, inputs):
    """Shape of the part of a kernel that belongs to some `Inputs`."""
    if inputs is None:
        return None
    return (*kernel_shape[:-2], inputs.span.stop - inputs.span.start, kernel_shape[-1])


def _without_inputs(shapes):
    return [(*shape[:-2], shape[-1]) for shape in shapes]


def _differences(path, variables, others):
    """`Misfit`s of all weights of a layer; one network may have fewer of them."""
    return [
        Misfit(
            f"{path}/{_weight_name(variable, other, index)}",
            None if other is None else tuple(other.shape),
            None if variable is None else tuple(variable.shape),
        )
        for index, (variable, other) in enumerate(
            itertools.zip_longest(variables, others)
        )
    ]


def _weight_name(variable, other, index):
    """The name of a Keras variable, or a number if both are arrays from a file."""
    return getattr(variable, "name", getattr(other, "name", index))


def _shapes(weights):
    return [tuple(weight.shape) for weight in weights]


def _shape_text(shape):
    return "-" if shape is None else "x".join(map(str, shape)) or "scalar"


def _check(pieces, report):
    if not pieces:
        misfit = _first_misfit(report)
        raise MisfitError(
            f"{report.source} shares no weight with the network. {misfit}"
        )
    for piece in pieces:
        if not np.isfinite(np.asarray(piece.values, np.float32)).all():
            raise MisfitError(
                f"{report.source} holds weights that are not finite, of "
                f"{piece.variable.path}"
            )


def _first_misfit(report):
    """A sentence about the first misfit."""
    misfit = report.misfits[0]
    there, here = _shape_text(misfit.there), _shape_text(misfit.here)
    more = len(report.misfits) - 1
    return f"{misfit.name}: shape there {there}, here {here}; and {more} more"
