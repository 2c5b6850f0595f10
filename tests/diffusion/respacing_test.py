"""Resampling keeps noise levels and both ends, and says which numbers divide."""

import numpy as np
import pytest

from tf_diffseg.diffusion.beta_schedule import BetaSchedule, get_betas
from tf_diffseg.diffusion.respacing import kept_steps, resample_alphas_cumprod


@pytest.mark.parametrize("schedule", list(BetaSchedule))
@pytest.mark.parametrize("num_timesteps", [2, 3, 5, 6, 11, 101, 1001])
def test_keeps_every_kth_noise_level_and_both_ends(schedule, num_timesteps):
    original = np.cumprod(1.0 - get_betas(schedule, 1001))

    resampled = resample_alphas_cumprod(original, num_timesteps)

    assert resampled.shape == (num_timesteps,)
    np.testing.assert_array_equal(resampled, original[:: 1000 // (num_timesteps - 1)])
    assert resampled[0] == original[0]
    assert resampled[-1] == original[-1]


@pytest.mark.parametrize(
    "num_timesteps, nearest",
    [(4, "3 and 5"), (10, "9 and 11"), (100, "51 and 101"), (1000, "501 and 1001")],
)
def test_uneven_number_is_refused_with_the_nearest_even_ones(num_timesteps, nearest):
    with pytest.raises(ValueError) as error:
        kept_steps(num_timesteps, 1001)

    assert f"num_timesteps={num_timesteps} does not" in str(error.value)
    assert "the 1001 steps" in str(error.value)
    assert str(error.value).endswith(f"nearest that do: {nearest}")


@pytest.mark.parametrize(
    "num_timesteps, nearest", [(-3, "2"), (0, "2"), (1, "2"), (1002, "1001")]
)
def test_number_out_of_range_is_refused_with_the_nearest_one(num_timesteps, nearest):
    with pytest.raises(ValueError, match=f"nearest that do: {nearest}$"):
        kept_steps(num_timesteps, 1001)
