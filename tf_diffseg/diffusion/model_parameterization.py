"""What a network's output means: its mean's parameterization and its variance."""

import enum


class ModelOutput(enum.Enum):
    """What the network predicts.

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

    FIXED_SMALL: the posterior's variance (Ho et al. 2020).
    FIXED_LARGE: beta (Ho et al. 2020).
    LEARNED: a second half of the output channels is the log variance.
    LEARNED_RANGE: a second half of the output channels, in [-1, 1], interpolates
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
        """Whether the output has doubled channels, the variance in the second half."""
        return self in (ModelVariance.LEARNED, ModelVariance.LEARNED_RANGE)
