"""Models by flat arguments, rather than handed their parts.

So flags give them, and configs. Models took them so before: files saved then hold
them, and calls written then go on working for one release.
"""

import warnings

import keras

from tf_diffseg.diffusion import GaussianDiffusion, ModelOutput, TimestepSampling
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
_OF_LOSS = (*TrainingLoss().get_config(), "more_losses")


def is_supervised(arguments):
    """Whether a diffusion model was asked not to be one."""
    strategy = arguments.get("strategy")
    return strategy in (TrainingStrategy.SUPERVISED, TrainingStrategy.SUPERVISED.value)


def composed(arguments):
    """Arguments of today.

    Args:
        arguments: dict from name to value, flat ones among them or not.

    Returns:
        Dict, in which `diffusion`, `loss` and `sampler` stand for those; the first and
        the last not where the model is supervised.

    Raises:
        ValueError: a supervised model was to learn a variance or to choose steps, or a
            part is given beside flat arguments of it.
    """
    arguments = dict(arguments)
    diffusion = _taken(arguments, _OF_DIFFUSION, "diffusion")
    loss = _taken(arguments, _OF_LOSS, "loss")
    eta = arguments.pop("eta", 0.0)
    if isinstance(loss.get("more_losses"), str):
        loss["more_losses"] = loss["more_losses"].split()
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
        name, options = named_options(arguments.get("sampler", "ddim"))
        arguments["sampler"] = with_options(name, options | {"eta": eta})
    return arguments


def composed_with_warning(arguments):
    """As `composed`; warns of each argument that has another place now."""
    flat = {*_OF_DIFFUSION, *_OF_LOSS, "eta"} & set(arguments)
    if is_supervised(arguments):
        flat.add("strategy")
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
    """Takes flat arguments out, those of a part that is not given itself."""
    taken = {name: arguments.pop(name) for name in names if name in arguments}
    if taken and arguments.get(part) is not None:
        raise ValueError(f"{', '.join(taken)}: give them to {part}, which is given too")
    return taken


def _check_supervised(diffusion, arguments):
    diffusion = GaussianDiffusion(**diffusion)  # A wrong value never passes.
    by_loss = TimestepSampling(arguments.get("timestep_sampling", "uniform"))
    asked_for = {
        "model_output=noise": diffusion.model_output is ModelOutput.NOISE,
        "model_variance": diffusion.model_variance.is_learned,
        "timestep_sampling": by_loss is TimestepSampling.LOSS,
    }
    for name, is_asked_for in asked_for.items():
        if is_asked_for:
            raise ValueError(
                f"{name}: strategy=supervised has no time steps, so leave it as it is"
            )
