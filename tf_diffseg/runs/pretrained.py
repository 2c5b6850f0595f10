"""Weights of trained networks, to start training from."""

from tf_diffseg.shipped_models import find_model, model_names  # noqa: F401 exported

# Registers the class.
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D  # noqa: F401
from tf_diffseg.training.saving.frozen_layers import layers_of
from tf_diffseg.training.saving.initial_weights import MisfitError, take_weights
from tf_diffseg.training.saving.network_weights import read_weights, weights_of
from tf_diffseg.training.saving.trained_network import (
    HDF5,
    InitError,
    load,
    load_pretrained,  # noqa: F401 exported
    path_of,
)


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
    path = path_of(source)
    if path.suffix in HDF5:
        try:
            weights, kind = read_weights(path), "as the file has them"
        except ValueError as error:
            raise InitError(f"{source}: {path} {error}") from error
        except OSError as error:
            raise InitError(
                f"{source}: {path} cannot be read, or is damaged: {error}"
            ) from error
    else:
        trained = load(source, path)
        weights, kind = weights_of(trained), _kind(trained, path)
    try:
        return take_weights(model, weights, f"{path} ({kind})", part)
    except MisfitError as error:
        raise InitError(f"{source}: {error}") from error


def _kind(model, path):
    """Which of the weights of a model were loaded, as text."""
    if path.is_dir():
        return "as exported"
    use_ema = getattr(getattr(model, "optimizer", None), "use_ema", False)
    return "averaged weights" if use_ema else "weights as trained"
