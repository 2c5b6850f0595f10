"""Resampling keeps noise levels and both ends; errors name numbers that divide."""

import numpy as np
import pytest

from tf_diffseg.diffusion.respacing import kept_steps, resample_alphas_cumprod


@pytest.mark.parametrize("num_timesteps", [2, 3, 5, 6, 11, 101, 1001])
def test_keeps_every_kth_noise_level_and_both_ends(num_timesteps):
    original = np.linspace(0.99, 0.01, 1001)

    resampled = resample_alphas_cumprod(original, num_timesteps)

    assert resampled.shape == (num_timesteps,)
    np.testing.assert_array_equal(resampled, original[:: 1000 // (num_timesteps - 1)])
    np.testing.assert_array_equal(resampled[[0, -1]], original[[0, -1]])


@pytest.mark.parametrize(
    "num_timesteps, nearest",
    [
        (4, "3 and 5"),
        (100, "51 and 101"),
        (1000, "501 and 1001"),
        # Out of range.
        (-3, "2"),
        (1, "2"),
        (1002, "1001"),
    ],
)
def test_refuses_other_numbers_and_names_the_nearest_valid_ones(num_timesteps, nearest):
    message = (
        f"num_timesteps={num_timesteps} does not evenly divide the 1001 steps it is "
        f"resampled from; nearest that do: {nearest}$"
    )
    with pytest.raises(ValueError, match=message):
        kept_steps(num_timesteps, 1001)


def test_refuses_a_number_that_is_no_int():
    with pytest.raises(ValueError, match=r"num_timesteps must be an int, got 5\.0"):
        kept_steps(5.0, 1001)
