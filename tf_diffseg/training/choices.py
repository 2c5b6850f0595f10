"""Choices of a training; loads no TensorFlow."""

import enum

# Keras dtype policies in which the network computes.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
# What `compile` takes as jit_compile, by its name in flags and configs.
JIT_COMPILE = {"auto": "auto", "on": True, "off": False}


# Facts about the noisy mask of a strategy.
_NOISES_TRUTH = "It is the ground truth with noise, so the noise can be predicted."
_IS_CONDITIONED = "An earlier prediction is an input beside it."


class TrainingStrategy(enum.Enum):
    """The noisy mask that the network is trained on.

    SUPERVISED is the baseline without diffusion, noisy mask and time. The others are
    the functions of `noisy_mask`. The facts about a noisy mask follow its value.

    Example:
        >>> strategy = TrainingStrategy("self_conditioning")
        >>> strategy.is_self_conditioned
        True
    """

    _facts: tuple[str, ...]

    SUPERVISED = "supervised"
    DIFFUSION = "diffusion", _NOISES_TRUTH
    RECYCLING = "recycling"
    RECYCLING_FROM_LAST = "recycling_from_last"
    RECYCLING_BY_REVERSE_STEP = "recycling_by_reverse_step"
    RECYCLING_FROM_LAST_BY_REVERSE_STEP = "recycling_from_last_by_reverse_step"
    SELF_CONDITIONING = "self_conditioning", _NOISES_TRUTH, _IS_CONDITIONED
    SELF_CONDITIONING_FROM_NEXT = (
        "self_conditioning_from_next",
        _NOISES_TRUTH,
        _IS_CONDITIONED,
    )

    def __new__(cls, value, *facts):
        """Makes a member whose value is the text alone."""
        member = object.__new__(cls)
        member._value_ = value
        member._facts = facts
        return member

    @property
    def is_self_conditioned(self):
        """Whether an earlier prediction is an input beside the noisy mask."""
        return _IS_CONDITIONED in self._facts

    @property
    def noises_ground_truth(self):
        """Whether the noisy mask is the ground truth with noise."""
        return _NOISES_TRUTH in self._facts


class Schedule(enum.Enum):
    """The learning rate after its rise."""

    COSINE = "cosine"
    CONSTANT = "constant"
