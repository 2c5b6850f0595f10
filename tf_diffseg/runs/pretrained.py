"""Trained networks: to load, or to start training from."""

import pathlib

from tf_diffseg.models import UNet3D
from tf_diffseg.runs.shipped_models import find_model, model_names
from tf_diffseg.serving.exported_network import load_network

# Registers the class.
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D  # noqa: F401
from tf_diffseg.training.saving.checkpoints import (
    BEST,
    is_whole_checkpoint,
    list_checkpoints,
    load_trained_model,
)
from tf_diffseg.training.saving.frozen_layers import layers_of
from tf_diffseg.training.saving.initial_weights import MisfitError, take_weights
from tf_diffseg.training.saving.network_weights import read_weights, weights_of

_KERAS = ".keras"
_HDF5 = (".h5", ".hdf5")


class InitError(ValueError):
    """A source of weights is not there, is no model, is damaged, or does not fit."""


def load_pretrained(source):
    """Loads a trained network, to predict with or to train on.

    Args:
        source: a run folder, whose newest checkpoint is taken; a `.keras` file; the
            folder of an exported version, such as "EXPORT/1"; or the name of a model
            that comes with the package. If there are averaged weights, they are taken.

    Returns:
        `DiffusionUNet3D` or `SegmentationUNet3D`, not compiled.

    Raises:
        InitError: the source is none of these, or damaged.

    Example:
        >>> model = load_pretrained(run)
        >>> model.predict(np.zeros([1, 8, 8, 8, 1], np.float32), verbose=0).shape
        (1, 8, 8, 8, 3)
    """
    path = _model_path(source)
    if path.suffix in _HDF5:
        raise InitError(
            f"{source}: holds only weights, not their network; build the network, and "
            "use init_from"
        )
    return _load(source, path)


def init_from(model, source, freeze=None):
    """Gives a network those weights of a trained one that fit.

    Layers are matched by name. Weights that do not fit, because the numbers of classes,
    channels or layers differ, keep their initial values; `training.initial_weights` has
    the rules. The state of an optimizer is not taken.

    Args:
        model: a `UNet3D` such as `DiffusionUNet3D`; compile it afterwards.
        source: as in `load_pretrained`, or a `.weights.h5` file of Keras.
        freeze: "encoder" to freeze those layers of the encoder whose weights were all
            taken; or None.

    Returns:
        `InitialWeights`; its text is a table of the weights that did not fit.

    Raises:
        InitError: the source is none of these, is damaged, or has no weight that fits;
            or no layer of the part to freeze is taken whole. The model does not change.
        ValueError: there is no such part to freeze.

    Example:
        >>> small = {"num_channels": (2, 2), "num_blocks": (1, 1), "num_heads": 1}
        >>> model = DiffusionUNet3D(num_classes=5, **small)
        >>> taken = init_from(model, run)
        >>> taken.num_taken < taken.num_all  # The head has other classes.
        True
    """
    part = () if freeze is None else layers_of(model, freeze)
    path = _model_path(source)
    if path.suffix in _HDF5:
        try:
            weights, kind = read_weights(path), "as the file has them"
        except ValueError as error:
            raise InitError(f"{source}: {path} {error}") from error
        except OSError as error:
            raise InitError(
                f"{source}: {path} cannot be read, or is damaged: {error}"
            ) from error
    else:
        trained = _load(source, path)
        weights, kind = weights_of(trained), _kind(trained, path)
    try:
        return take_weights(model, weights, f"{path} ({kind})", part)
    except MisfitError as error:
        raise InitError(f"{source}: {error}") from error


def _model_path(source):
    """Path of the file or the export that a source stands for."""
    path = pathlib.Path(find_model(source))
    if not path.exists():
        raise InitError(f"{source}: there is no such file or folder; {_expected()}")
    if path.is_file():
        if path.suffix not in (_KERAS, *_HDF5):
            raise InitError(f"{source}: is a file of another kind; {_expected()}")
        return path
    if (path / "saved_model.pb").is_file():
        return path
    return _checkpoint(source, path)


def _checkpoint(source, folder):
    """The newest checkpoint of a run folder or of its folder of checkpoints."""
    checkpoints = list_checkpoints(folder / "checkpoints") or list_checkpoints(folder)
    best = folder / "checkpoints" / BEST
    if not checkpoints and not best.is_file():
        raise InitError(f"{source}: is a folder without a checkpoint; {_expected()}")
    return checkpoints[-1] if checkpoints else best


def _expected():
    return (
        "expected a run folder, a .keras or .weights.h5 file, the folder of an "
        "exported version, or one of the models that come with the package: "
        f"{', '.join(model_names()) or 'none'}"
    )


def _load(source, path):
    """The network of a `.keras` file or an export."""
    if path.is_file() and not is_whole_checkpoint(path):
        raise InitError(f"{source}: {path} is damaged, or no .keras file")
    try:
        model = load_trained_model(path) if path.is_file() else load_network(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InitError(f"{source}: cannot be loaded: {reason}") from error
    if not isinstance(model, UNet3D):
        raise InitError(
            f"{source}: {path} holds a {type(model).__name__}, expected a network of "
            "tf_diffseg"
        )
    return model


def _kind(model, path):
    """Which of the weights of a model were loaded, as text."""
    if path.is_dir():
        return "as exported"
    use_ema = getattr(getattr(model, "optimizer", None), "use_ema", False)
    return "averaged weights" if use_ema else "weights as trained"
