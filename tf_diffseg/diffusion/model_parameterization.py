"""What the output of a network means: x_start or noise, and the variance."""

import enum


class ModelOutput(enum.Enum):
    """What the network predicts.

    Attributes:
        X_START: the mask, encoded in [-1, 1].
        NOISE: the noise that was added to it.

    Example:
        >>> diffusion = GaussianDiffusion(model_output=ModelOutput.NOISE)
        >>> diffusion.model_output.value
        'noise'
    """

    X_START = "x_start"
    NOISE = "noise"


class ModelVariance(enum.Enum):
    """Variance of the reverse process p(x_(t-1) | x_t).

    Attributes:
        FIXED_SMALL: the posterior's variance (Ho et al. 2020).
        FIXED_LARGE: beta (Ho et al. 2020).
        LEARNED: the second half of the output channels is the log variance.
        LEARNED_RANGE: the second half of the output channels, in [-1, 1], interpolates
            between the two fixed log variances (Nichol and Dhariwal 2021, equation 15).

    Example:
        >>> variance = ModelVariance("learned_range")
        >>> variance.is_learned
        True
    """

    FIXED_SMALL = "fixed_small"
    FIXED_LARGE = "fixed_large"
    LEARNED = "learned"
    LEARNED_RANGE = "learned_range"

    @property
    def is_learned(self):
        """Whether the second half of the output channels holds the variance."""
        return self in (ModelVariance.LEARNED, ModelVariance.LEARNED_RANGE)
