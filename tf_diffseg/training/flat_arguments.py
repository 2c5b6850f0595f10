"""Flat arguments of models, such as num_timesteps, in place of their parts.

Flags and configs are flat. Earlier models took flat arguments, too: their files hold
them, and calls with them go on working for one release.
"""

import inspect
import warnings

import keras

from tf_diffseg.diffusion import GaussianDiffusion, ModelOutput, TimestepSampling
from tf_diffseg.fields import member
from tf_diffseg.text import named_options, with_options
from tf_diffseg.training.choices import TrainingStrategy
from tf_diffseg.training.training_loss import TrainingLoss

_OF_DIFFUSION = (
    "num_timesteps",
    "num_timesteps_beta",
    "beta_schedule",
    "beta_start",
    "beta_end",
    "model_output",
    "model_variance",
)
_OF_LOSS = (*inspect.signature(TrainingLoss).parameters,)


def is_supervised(arguments):
    """Whether the strategy in a dict of arguments is "supervised"."""
    strategy = arguments.get("strategy")
    return strategy in (TrainingStrategy.SUPERVISED, TrainingStrategy.SUPERVISED.value)


def composed(arguments):
    """Replaces flat arguments by `diffusion`, `loss` and `sampler`.

    Args:
        arguments: dict from name to value, with flat arguments or without.

    Returns:
        Dict of arguments; for a supervised model without `diffusion` and `sampler`.

    Raises:
        ValueError: a supervised model cannot have these arguments, or a part is given
            together with its flat arguments.
    """
    arguments = dict(arguments)
    diffusion = _taken(arguments, _OF_DIFFUSION, "diffusion")
    loss = _taken(arguments, _OF_LOSS, "loss")
    eta = arguments.pop("eta", 0.0)
    if loss:
        arguments["loss"] = keras.saving.serialize_keras_object(TrainingLoss(**loss))
    if is_supervised(arguments):
        _check_supervised(diffusion, arguments)
        for name in ("strategy", "timestep_sampling", "sampler", "diffusion"):
            arguments.pop(name, None)
        return arguments
    if diffusion:
        arguments["diffusion"] = diffusion
    if eta:
        sampler = arguments.get("sampler", "ddim")
        if not isinstance(sampler, str):
            raise ValueError("eta: give it to sampler, which is given too")
        name, options = named_options(sampler)
        arguments["sampler"] = with_options(name, options | {"eta": eta})
    return arguments


def composed_with_warning(arguments):
    """As `composed`, with a warning that names all flat arguments."""
    flat = {*_OF_DIFFUSION, *_OF_LOSS, "eta"} & set(arguments)
    if is_supervised(arguments):
        flat.add('strategy="supervised"')
    if not flat:
        return arguments
    warnings.warn(
        f"DiffusionUNet3D: {', '.join(sorted(flat))} will not be taken by the next "
        "release; give diffusion=GaussianDiffusion(...), loss=TrainingLoss(...) and "
        'sampler="ddim:eta=...", and for strategy="supervised" make a '
        "SegmentationUNet3D",
        DeprecationWarning,
        stacklevel=3,
    )
    return composed(arguments)


def _taken(arguments, names, part):
    """Removes the flat arguments of a part, and returns them as a dict."""
    taken = {name: arguments.pop(name) for name in names if name in arguments}
    if taken and arguments.get(part) is not None:
        raise ValueError(f"{', '.join(taken)}: give them to {part}, which is given too")
    return taken


def _check_supervised(diffusion, arguments):
    diffusion = GaussianDiffusion(**diffusion)  # Refuses wrong values.
    sampling = arguments.get("timestep_sampling", "uniform")
    sampling = member("timestep_sampling", TimestepSampling, sampling)
    asked_for = {
        "model_output=noise": diffusion.model_output is ModelOutput.NOISE,
        "model_variance": diffusion.model_variance.is_learned,
        "timestep_sampling": sampling is TimestepSampling.LOSS,
    }
    for name, is_asked_for in asked_for.items():
        if is_asked_for:
            raise ValueError(
                f"{name}: strategy=supervised has no time steps, so leave it as it is"
            )
