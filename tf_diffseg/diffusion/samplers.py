"""Samplers by name. TensorFlow loads only when a sampler is made."""

import functools
import importlib

from tf_diffseg.fields import check_options
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
        **options: override the options of a name.

    Returns:
        A `Sampler`.

    Raises:
        ValueError: if there is no such sampler or option, or its value is out of range.
    """
    if not isinstance(identifier, str):
        _check_sampler(identifier, options)
        return identifier
    name, given = named_options(identifier)
    if name not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    sampler = _class_of(name)
    options = given | options
    check_options(
        f"sampler={name}",
        options,
        functools.partial(sampler, diffusion),
        more={"num_timesteps": diffusion.num_timesteps},
    )
    if "num_timesteps" in options:
        diffusion = diffusion.respaced(options.pop("num_timesteps"))
    try:
        return sampler(diffusion, **options)
    except TypeError as error:  # For example, a text where the default is None.
        raise ValueError(f"sampler={identifier}: {error}") from error


def _check_sampler(sampler, options):
    from tf_diffseg.diffusion.sampler import Sampler  # It loads TensorFlow.

    if not isinstance(sampler, Sampler):
        raise ValueError(f"sampler must be a name or a Sampler, got {sampler!r}")
    if options:
        raise ValueError(
            f"{', '.join(options)}: give them to the sampler, which is a "
            f"{type(sampler).__name__} and no name"
        )


def identifier_of(sampler):
    """The identifier from which `get_sampler` makes such a sampler.

    Raises:
        ValueError: if its class is not in `SAMPLERS`, or an option has a value that
            cannot be written.
    """
    for name in SAMPLERS:
        if type(sampler) is _class_of(name):
            diffusion, options = sampler.diffusion, sampler.options
            if diffusion.is_respaced:
                options = options | {"num_timesteps": diffusion.num_timesteps}
            return with_options(name, options)
    raise ValueError(
        f"{type(sampler).__name__} is not in SAMPLERS of tf_diffseg.diffusion, so a "
        "model with this sampler cannot be saved"
    )


def _class_of(name):
    module, _, class_name = SAMPLERS[name].rpartition(".")
    return getattr(importlib.import_module(module), class_name)
