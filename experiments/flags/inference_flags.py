"""Flags of how a trained model is run."""

import dataclasses
import typing

from absl import flags

from tf_diffseg.errors import InputError
from tf_diffseg.runs.inference_options import InferenceOptions


def define_flags(names=None):
    """Defines a flag for every option, and --ensemble_with.

    Args:
        names: of some options, to define flags for these alone.
    """
    define: dict[type, typing.Callable] = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        tuple: flags.DEFINE_list,
        dict: flags.DEFINE_list,
    }
    for field in dataclasses.fields(InferenceOptions):
        if names is not None and field.name not in names:
            continue
        help_text, choices = field.metadata["help"], field.metadata["choices"]
        default: typing.Any = field.default
        if choices:
            flags.DEFINE_enum(field.name, default, choices, help_text)
        else:
            define[field.metadata["kind"]](field.name, default, help_text)
    if names is None:
        flags.DEFINE_list(
            "ensemble_with",
            [],
            "Further run folders or checkpoint files: the mean over all models is "
            "taken.",
        )


def options_from_flags():
    """The `InferenceOptions` that the flags say; raises InputError as they do."""
    fields = dataclasses.fields(InferenceOptions)
    names = [field.name for field in fields if field.name in flags.FLAGS]
    try:
        return InferenceOptions(**{name: flags.FLAGS[name].value for name in names})
    except InputError as error:
        raise InputError(f"--{error}") from None
