"""Trained networks by name or path: of runs, presets, files and exports.

Keras must know their classes: `tf_diffseg.load_pretrained` sees to it.
"""

import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.models import UNet3D
from tf_diffseg.preset_folder import NETWORK
from tf_diffseg.serving.exported_network import load_network
from tf_diffseg.shipped_models import find_model, hiding_note, model_names
from tf_diffseg.training.saving.checkpoints import (
    BEST,
    is_whole_checkpoint,
    list_checkpoints,
    load_checkpoint,
)

_KERAS = ".keras"
HDF5 = (".h5", ".hdf5")


class InitError(ValueError):
    """A source of weights is not there, is no model, is damaged, or does not fit."""


def load_pretrained(source):
    """Loads a trained network, to predict with or to train on.

    Args:
        source: a run folder, whose newest checkpoint is taken; a preset; a `.keras`
            file; the folder of an exported version, such as "EXPORT/1"; or the name of
            a model that comes with the package. If there are averaged weights, they
            are taken.

    Returns:
        `DiffusionUNet3D` or `SegmentationUNet3D`; compile it before you train it.

    Raises:
        InitError: the source is none of these, or damaged.

    Example:
        >>> model = load_pretrained(run)
        >>> model.predict(np.zeros([1, 8, 8, 8, 1], np.float32), verbose=0).shape
        (1, 8, 8, 8, 3)
    """
    path = path_of(source)
    if path.suffix in HDF5:
        raise InitError(
            f"{source}: holds only weights, not their network; build the network, and "
            "use init_from"
        )
    return load(source, path)


def path_of(source):
    """Path of the file or the export that a source stands for; or InitError."""
    try:
        path = pathlib.Path(find_model(source))
    except InputError as error:
        raise InitError(str(error)) from error
    if not path.exists():
        raise _unexpected(source, "there is no such file or folder")
    if path.is_file():
        if path.suffix not in (_KERAS, *HDF5):
            raise _unexpected(source, "is a file of another kind")
        return path
    if (path / "saved_model.pb").is_file():
        return path
    return _checkpoint(source, path)


def _checkpoint(source, folder):
    """The newest checkpoint of a run folder, a preset or a folder of checkpoints."""
    best, network = folder / "checkpoints" / BEST, folder / NETWORK
    found = (
        # The order of `RunFolder.newest_checkpoint`.
        list_checkpoints(folder / "checkpoints")
        or [path for path in (best, network) if path.is_file()]
        or list_checkpoints(folder)
    )
    if not found:
        raise _unexpected(source, "is a folder without a checkpoint")
    return found[-1]


def _unexpected(source, problem):
    return InitError(
        f"{source}: {problem}; expected a run folder, a preset, a .keras or "
        ".weights.h5 file, the folder of an exported version, or one of the models "
        "that come with the package: "
        f"{', '.join(model_names()) or 'none'}{hiding_note(source)}"
    )


def load(source, path):
    """Loads a `.keras` file or an export; an InitError names `source`."""
    if path.is_file() and not is_whole_checkpoint(path):
        raise InitError(f"{source}: {path} is damaged, or no .keras file")
    try:
        model = load_checkpoint(path) if path.is_file() else load_network(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InitError(f"{source}: cannot be loaded: {reason}") from error
    if not isinstance(model, UNet3D):
        raise InitError(
            f"{source}: {path} holds a {type(model).__name__}, expected a network of "
            "tf_diffseg"
        )
    return model
