"""Variance schedule resampling: fewer steps that keep the same noise levels.

arXiv 2303.06040: every k-th alphas_cumprod is kept, including both ends, so 5 steps
span exactly the noise levels of 1001.
"""

import numpy as np


def _nearest_even_divisions(num_timesteps, num_timesteps_base):
    """The valid numbers of steps next to `num_timesteps`, below and above it."""
    valid = [
        n
        for n in range(2, num_timesteps_base + 1)
        if (num_timesteps_base - 1) % (n - 1) == 0
    ]
    below = [n for n in valid if n < num_timesteps][-1:]
    above = [n for n in valid if n > num_timesteps][:1]
    return below + above


def check_whole(name, number):
    """Raises ValueError, with the name of the argument, unless the number is an int."""
    if not isinstance(number, (int, np.integer)) or isinstance(number, bool):
        raise ValueError(f"{name} must be an int, got {number!r}")


def divides_evenly(num_timesteps, num_timesteps_base):
    """Whether `kept_steps` takes these numbers."""
    in_range = 2 <= num_timesteps <= num_timesteps_base
    return in_range and (num_timesteps_base - 1) % (num_timesteps - 1) == 0


def kept_steps(num_timesteps, num_timesteps_base):
    """The steps, out of `num_timesteps_base`, that a schedule of `num_timesteps` keeps.

    Args:
        num_timesteps: number of steps to keep, 2 to `num_timesteps_base`.
        num_timesteps_base: number of steps to choose from.

    Returns:
        int array of shape [num_timesteps]: evenly spaced indices from 0 to
        `num_timesteps_base - 1`.

    Raises:
        ValueError: if `num_timesteps` is not an int, or `num_timesteps - 1` does not
            divide `num_timesteps_base - 1`; the message names the nearest numbers that
            do.
    """
    check_whole("num_timesteps", num_timesteps)
    if not divides_evenly(num_timesteps, num_timesteps_base):
        nearest = _nearest_even_divisions(num_timesteps, num_timesteps_base)
        raise ValueError(
            f"num_timesteps={num_timesteps} does not evenly divide the "
            f"{num_timesteps_base} steps it is resampled from; nearest that do: "
            + " and ".join(map(str, nearest))
        )
    stride = (num_timesteps_base - 1) // (num_timesteps - 1)
    return np.arange(num_timesteps) * stride


def resample_alphas_cumprod(alphas_cumprod, num_timesteps):
    """Keeps evenly spaced entries of alphas_cumprod, including both ends.

    Args:
        alphas_cumprod: array of shape [num_timesteps_base].
        num_timesteps: number of entries to keep.

    Returns:
        Array of shape [num_timesteps].

    Raises:
        ValueError: see `kept_steps`.
    """
    return alphas_cumprod[kept_steps(num_timesteps, len(alphas_cumprod))]
