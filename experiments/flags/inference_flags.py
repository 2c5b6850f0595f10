"""Flags of how a trained model is run."""

from absl import flags

from tf_diffseg import option_flags
from tf_diffseg.runs.inference_options import InferenceOptions


def define_flags(names=None):
    """Defines a flag for every option, and --ensemble_with.

    Args:
        names: of some options, and "ensemble_with", to define flags for these alone.
    """
    option_flags.define_flags(InferenceOptions, names)
    if names is None or "ensemble_with" in names:
        flags.DEFINE_list(
            "ensemble_with",
            [],
            "Further run folders or checkpoint files: the mean over all models is "
            "taken.",
        )


def options_from_flags():
    """The `InferenceOptions` that the flags say; raises InputError as they do."""
    return option_flags.from_flags(InferenceOptions)
