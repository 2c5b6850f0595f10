"""Presets of networks, in the manner of KerasHub."""

import pathlib
import warnings

from tf_diffseg.preset_folder import NETWORK, preset_files
from tf_diffseg.training.saving.copies import copy_of
from tf_diffseg.training.saving.initial_weights import MisfitError, take_weights
from tf_diffseg.training.saving.network_weights import weights_of
from tf_diffseg.training.saving.trained_network import (
    InitError,
    load_pretrained,
)

_MODELS = ("SegmentationUNet3D", "DiffusionUNet3D")
# What says which classes there are. Other classes have others.
_OF_CLASSES = ("regions", "class_frequencies")
# Ends of the names of layers that are new if classes or channels are others: stem,
# mask_stem, head, mask_head, deep_1_head.
_OF_CHANNELS = ("stem", "head")


def load_preset(model_class, preset, load_weights, changes):
    """Makes a network of a preset.

    Args:
        model_class: the class that it must be of.
        preset: as the source of `load_pretrained`.
        load_weights: whether to give it the weights of the preset.
        changes: dict of constructor arguments that are to have other values.

    Returns:
        The network. A weight that other arguments give another shape or
        meaning has its initial value; there is a warning if these are weights of other
        layers than those next to images, masks and logits.

    Raises:
        InitError: as in `load_pretrained`, or the preset is of another class.
        ValueError: there is no such argument, or its value is out of range.
    """
    trained = load_pretrained(preset)
    # Files of earlier versions name another class than the one they become.
    own, name = type(trained).__name__, model_class.__name__
    if own in _MODELS and own != name:
        raise InitError(f"{preset}: is a {own}, not a {name}; use {own}.from_preset")
    if load_weights and not changes:
        return trained
    config = trained.get_config()
    if "num_classes" in changes:
        config |= dict.fromkeys(_OF_CLASSES)
    unknown = [name for name in changes if name not in config]
    if unknown:
        raise ValueError(f"{type(trained).__name__} has no argument {unknown[0]}")
    try:
        model = type(trained).from_config(config | changes)
    except ValueError as error:
        raise ValueError(
            f"{preset}: {error}: its other arguments stay, unless given, too"
        ) from error
    if load_weights:
        try:
            report = take_weights(model, weights_of(trained), str(preset))
        except MisfitError as error:
            raise InitError(f"{preset}: {error}") from error
        _warn_of_new(report)
    return model


def _warn_of_new(report):
    """Warns if inner layers have initial values, as nobody expects of a preset."""
    names = [m.name.split("/")[0] for m in report.misfits if m.here is not None]
    new = [name for name in dict.fromkeys(names) if not name.endswith(_OF_CHANNELS)]
    if new:
        warnings.warn(
            f"{report.source}: only {report.num_taken:,} of {report.num_all:,} "
            "parameters fit the arguments, the others are not trained: those of "
            f"{', '.join(new)}",
            stacklevel=4,  # whoever calls from_preset
        )


def save_preset(model, preset_dir):
    """Writes a network alone as a preset.

    Args:
        model: `SegmentationUNet3D`. The state of its optimizer is not written.
        preset_dir: folder, made if it is missing; a preset in it is replaced.

    Raises:
        InputError: as in `preset_files`.
    """
    with preset_files(preset_dir) as whole:
        write_network(model, preset_dir, whole)


def write_network(model, preset_dir, whole):
    """Writes the network among the files of a preset: `preset_files`."""
    with whole(pathlib.Path(preset_dir) / NETWORK) as path:
        copy_of(model).save(path)
