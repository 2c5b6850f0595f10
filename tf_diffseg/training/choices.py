"""Choices of a training; loads no TensorFlow."""

import enum

# Keras dtype policies in which the network computes.
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


class TrainingStrategy(enum.Enum):
    """The noisy mask that the network is trained on.

    SUPERVISED is the baseline without diffusion, noisy mask and time. The others are
    the functions of `noisy_mask`.

    Example:
        >>> strategy = TrainingStrategy("self_conditioning")
        >>> strategy.is_self_conditioned
        True
    """

    SUPERVISED = "supervised"
    DIFFUSION = "diffusion"
    RECYCLING = "recycling"
    RECYCLING_FROM_LAST = "recycling_from_last"
    RECYCLING_BY_REVERSE_STEP = "recycling_by_reverse_step"
    RECYCLING_FROM_LAST_BY_REVERSE_STEP = "recycling_from_last_by_reverse_step"
    SELF_CONDITIONING = "self_conditioning"
    SELF_CONDITIONING_FROM_NEXT = "self_conditioning_from_next"

    @property
    def is_self_conditioned(self):
        """Whether an earlier prediction is an input beside the noisy mask."""
        return self in (
            TrainingStrategy.SELF_CONDITIONING,
            TrainingStrategy.SELF_CONDITIONING_FROM_NEXT,
        )

    @property
    def noises_ground_truth(self):
        """Whether the noisy mask is the ground truth with noise."""
        return self is TrainingStrategy.DIFFUSION or self.is_self_conditioned


class Schedule(enum.Enum):
    """The learning rate after its rise."""

    COSINE = "cosine"
    CONSTANT = "constant"
