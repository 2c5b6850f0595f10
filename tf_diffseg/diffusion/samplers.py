"""Samplers by name. TensorFlow loads only when a sampler is made."""

import importlib
import inspect

from tf_diffseg.text import named_options, with_options

# Dotted name of each class. The arguments of its constructor after the diffusion are
# its options, as in "ddim:eta=0.5". All samplers have the option num_timesteps, which
# respaces the diffusion.
SAMPLERS = {
    "ddim": "tf_diffseg.diffusion.ddim_sampler.DDIMSampler",
    "ddpm": "tf_diffseg.diffusion.ddpm_sampler.DDPMSampler",
}


def get_sampler(identifier, diffusion, **options):
    """Makes a sampler from its name and options.

    Args:
        identifier: a name of `SAMPLERS`, with options as in "ddim:eta=0.5"; or a
            `Sampler`, which is returned unchanged.
        diffusion: the `GaussianDiffusion` to sample.
        **options: override the options of the identifier.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: if there is no such sampler or option, or its value is out of range.
    """
    if not isinstance(identifier, str):
        if not hasattr(identifier, "sample"):
            raise ValueError(f"sampler must be a name or a Sampler, got {identifier!r}")
        return identifier
    name, given = named_options(identifier)
    if name not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    sampler = _class_of(name)
    known = list(inspect.signature(sampler).parameters)[1:]
    options = given | options
    if "num_timesteps" in options:
        diffusion = diffusion.respaced(options.pop("num_timesteps"))
    for option in options:
        if option not in known:
            raise ValueError(
                f"sampler={name} has no option {option}, it has "
                f"{', '.join([*known, 'num_timesteps'])}"
            )
    try:
        return sampler(diffusion, **options)
    except TypeError as error:  # For example, text instead of a number.
        raise ValueError(f"sampler={identifier}: {error}") from error


def identifier_of(sampler):
    """The identifier from which `get_sampler` makes such a sampler.

    Raises:
        ValueError: if its class is not in `SAMPLERS`.
    """
    for name in SAMPLERS:
        if type(sampler) is _class_of(name):
            diffusion, options = sampler.diffusion, sampler.options
            if diffusion.num_timesteps != diffusion.num_timesteps_trained:
                options |= {"num_timesteps": diffusion.num_timesteps}
            return with_options(name, options)
    raise ValueError(
        f"{type(sampler).__name__} is not in SAMPLERS of tf_diffseg.diffusion, so a "
        "model with this sampler cannot be saved"
    )


def _class_of(name):
    module, _, class_name = SAMPLERS[name].rpartition(".")
    return getattr(importlib.import_module(module), class_name)
