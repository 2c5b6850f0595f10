"""Beta schedules: how much noise each forward step adds.

Linear, quadratic and warm-up schedules go back to Ho et al. 2020 (DDPM) and Song
et al. 2020 (DDIM). All schedules run from `beta_start` to `beta_end`.
"""

import enum

import numpy as np

_COSINE_OFFSET = 0.008  # Nichol and Dhariwal 2021, equation 17.


class BetaSchedule(enum.Enum):
    """Shape of beta over the steps.

    Attributes:
        LINEAR: beta rises linearly.
        QUADRATIC: the square root of beta rises linearly.
        COSINE: beta rises by half a cosine wave. It uses f(u) of Nichol and Dhariwal
            2021 for beta itself; they use it for alphas_cumprod.
        WARMUP10: quadratic over the first 10 percent of the steps, then `beta_end`.
        WARMUP50: the same over the first half.

    Example:
        >>> betas = get_betas(BetaSchedule.LINEAR, 1001, 1e-4, 0.02)
        >>> betas[[0, -1]].tolist()
        [0.0001, 0.02]
    """

    LINEAR = "linear"
    QUADRATIC = "quadratic"
    COSINE = "cosine"
    WARMUP10 = "warmup10"
    WARMUP50 = "warmup50"


# Share of the steps over which the square root of beta rises.
_RISING_SHARE = {
    BetaSchedule.QUADRATIC: 1.0,
    BetaSchedule.WARMUP10: 0.1,
    BetaSchedule.WARMUP50: 0.5,
}


def _cosine(num_timesteps, beta_start, beta_end):
    progress = np.linspace(0.0, 1.0, num_timesteps)
    angle = (progress + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * np.pi / 2
    betas = beta_start + (beta_end - beta_start) * np.sin(angle) ** 2
    betas[0] = beta_start  # With the offset, the first beta would be slightly larger.
    return betas


def get_betas(schedule, num_timesteps, beta_start=1e-4, beta_end=0.02):
    """The betas of a schedule, before any resampling.

    Args:
        schedule: a `BetaSchedule` or its value.
        num_timesteps: number of steps, at least 2.
        beta_start: beta of the first step.
        beta_end: beta of the last step.

    Returns:
        float64 array of shape [num_timesteps].

    Raises:
        ValueError: if `num_timesteps` is less than 2, or unless
            0 < beta_start <= beta_end < 1.
    """
    schedule = BetaSchedule(schedule)
    if num_timesteps < 2:
        raise ValueError(f"num_timesteps must be at least 2, got {num_timesteps}")
    if not 0.0 < beta_start <= beta_end < 1.0:
        raise ValueError(
            f"beta_start={beta_start} and `beta_end={beta_end}`: expected "
            "0 < beta_start <= beta_end < 1"
        )
    if schedule is BetaSchedule.LINEAR:
        return np.linspace(beta_start, beta_end, num_timesteps)
    if schedule is BetaSchedule.COSINE:
        return _cosine(num_timesteps, beta_start, beta_end)
    num_rising = int(num_timesteps * _RISING_SHARE[schedule])
    rising = np.linspace(beta_start**0.5, beta_end**0.5, num_rising) ** 2
    return np.concatenate([rising, np.full(num_timesteps - num_rising, beta_end)])
