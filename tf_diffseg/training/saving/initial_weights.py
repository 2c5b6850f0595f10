"""Weights of another network, as far as they fit, for training to start from.

A layer is taken whole or not at all. The one exception is the first convolution, whose
kernel has channels for the image and channels for the noisy mask: each of these parts
is taken where it stands for the same on both sides. So the image's part is kept where
one network is supervised and the other diffuses, or where they tell other classes
apart. The last layer is taken where it predicts the same.
"""

import dataclasses
import itertools
import math
import textwrap

import numpy as np

from tf_diffseg.text_table import text_table
from tf_diffseg.training.saving.frozen_layers import freeze_layers
from tf_diffseg.training.saving.network_weights import Channels, weights_of

_STEM, _HEAD = "stem", "head"


class MisfitError(ValueError):
    """None of the weights fits the network, or they are no numbers."""


@dataclasses.dataclass(frozen=True)
class Misfit:
    """A weight without its like on the other side.

    Attributes:
        name: of the weight, as "up_0/kernel", or of a part of the stem's.
        there: its shape where weights are taken from; None where there is none.
        here: its shape in the network, where it starts afresh; None where the network
            has none, and it is left.
    """

    name: str
    there: tuple[int, ...] | None
    here: tuple[int, ...] | None

    def cells(self):
        """Its row in a table."""
        note = "stands for something else" if self.there == self.here else ""
        return [self.name, _by(self.there), _by(self.here), note]


@dataclasses.dataclass(frozen=True)
class InitialWeights:
    """What was taken, and what was not; its text is a table of that.

    Attributes:
        source: what the weights were taken from, in words.
        misfits: tuple of `Misfit`.
        num_taken: how many parameters were taken.
        num_all: how many the network has.
        frozen: names of the layers that training is to leave as they are.
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
        """Whether nothing of a layer of the network, as "encoder_0_0", is afresh."""
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
        model: a `UNet3D`; it is changed once all is known to be well.
        weights: `NetworkWeights` of the other one.
        source: what these come from, in words.
        freeze: names of layers that training is to leave as they are, as far as they
            are taken whole.

    Returns:
        `InitialWeights`.

    Raises:
        MisfitError: nothing fits, weights that do are not finite, or no layer that is
            to be frozen is taken whole.
    """
    pieces, report = _match(weights_of(model), weights, source)
    _check(pieces, report)
    frozen = tuple(name for name in freeze if report.is_whole(name))
    if freeze and not frozen:
        raise MisfitError(
            f"no layer to freeze is taken whole from {source}, each has weights that "
            f"would start afresh: {_first(report)}"
        )
    with model.distribute_strategy.scope():
        for piece in pieces:
            value = np.asarray(piece.variable).copy()
            value[piece.index] = piece.values
            piece.variable.assign(value)
    freeze_layers(model, frozen)
    return dataclasses.replace(report, frozen=frozen)


def _match(own, weights, source):
    """Those parts of weights that fit, and the report of it."""
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
    """Channels of weights that do not say: our own where all shapes agree, or none."""
    ends_agree = all(
        _shapes(own.layers[path]) == _shapes(weights.layers.get(path, []))
        for path in (_STEM, _HEAD)
    )
    if ends_agree and own.has_time == weights.has_time:
        return own.channels
    return Channels({}, ())


def _layer_pieces(path, variables, others, here, there):
    """All of a layer, or nothing and what differs."""
    agree = path != _HEAD or here.outputs == there.outputs
    if not agree or _shapes(variables) != _shapes(others):
        return [], _differences(path, variables, others)
    pairs = zip(variables, others, strict=True)
    return [_Piece(variable, ..., np.asarray(other)) for variable, other in pairs], []


def _stem_pieces(path, variables, others, here, there):
    """Those input channels of the kernel that stand for the same on both sides."""
    (kernel,) = variables
    if _but_inputs(_shapes(variables)) != _but_inputs(_shapes(others)):
        return [], _differences(path, variables, others)
    other = np.asarray(others[0])
    pieces, misfits = [], []
    for name in {**here.inputs, **there.inputs}:
        own, its = here.inputs.get(name), there.inputs.get(name)
        if own is not None and its is not None and own.kind == its.kind:
            index = (..., own.span, slice(None))
            pieces.append(_Piece(kernel, index, other[..., its.span, :]))
        else:
            shapes = (_part(kernel.shape, its), _part(kernel.shape, own))
            misfits.append(Misfit(f"{path}/kernel, channels of {name}", *shapes))
    if not there.inputs:
        misfits = _differences(path, variables, others)
    return pieces, misfits


def _part(kernel_shape, inputs):
    """Shape of a kernel with these of its input channels alone."""
    if inputs is None:
        return None
    return (*kernel_shape[:-2], inputs.span.stop - inputs.span.start, kernel_shape[-1])


def _but_inputs(shapes):
    return [(*shape[:-2], shape[-1]) for shape in shapes]


def _differences(path, variables, others):
    """`Misfit`s of all weights of a layer, of which one side may have fewer."""
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
    """That of the Keras variable, where one of them is one: some files have numbers."""
    return getattr(variable, "name", getattr(other, "name", index))


def _shapes(weights):
    return [tuple(weight.shape) for weight in weights]


def _by(shape):
    return "-" if shape is None else "x".join(map(str, shape)) or "scalar"


def _check(pieces, report):
    if not pieces:
        raise MisfitError(
            f"{report.source} shares no weight with the network. {_first(report)}"
        )
    for piece in pieces:
        if not np.isfinite(np.asarray(piece.values, np.float32)).all():
            raise MisfitError(
                f"{report.source} holds weights that are not finite, of "
                f"{piece.variable.path}"
            )


def _first(report):
    """The first of what does not fit, in a sentence."""
    misfit = report.misfits[0]
    return (
        f"{misfit.name}: shape there {_by(misfit.there)}, here {_by(misfit.here)}; and "
        f"{len(report.misfits) - 1} more"
    )
