"""Schedules against reference values, and what they refuse."""

import numpy as np
import pytest

from tf_diffseg.diffusion.beta_schedule import BetaSchedule, get_betas


@pytest.mark.parametrize("schedule", list(BetaSchedule))
def test_matches_reference_values_at_full_length(schedule, golden_diffusion):
    reference = golden_diffusion["schedules"][f"{schedule.value}_1001_to_1001"]

    alphas_cumprod = np.cumprod(1.0 - get_betas(schedule, 1001))

    np.testing.assert_allclose(
        alphas_cumprod[[0, 500, 1000]],
        reference["alphas_cumprod_first_mid_last"],
        rtol=1e-12,
    )


@pytest.mark.parametrize("schedule", list(BetaSchedule))
def test_rises_in_float64_from_beta_start_to_beta_end(schedule):
    betas = get_betas(schedule, 51, beta_start=1e-3, beta_end=0.05)

    assert betas.dtype == np.float64
    assert betas.shape == (51,)
    np.testing.assert_allclose(betas[[0, -1]], [1e-3, 0.05], rtol=1e-12)
    assert (np.diff(betas) >= 0.0).all()


@pytest.mark.parametrize("schedule, num_warmup", [("warmup10", 10), ("warmup50", 50)])
def test_warmup_reaches_beta_end_after_its_share_of_steps(schedule, num_warmup):
    betas = get_betas(schedule, 100)

    np.testing.assert_allclose(betas[num_warmup - 1 :], 0.02, rtol=1e-12)
    assert betas[num_warmup - 2] < 0.02


def test_takes_the_value_of_an_enum():
    np.testing.assert_array_equal(
        get_betas("quadratic", 11), get_betas(BetaSchedule.QUADRATIC, 11)
    )


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="'sigmoid' is not a valid BetaSchedule"):
        get_betas("sigmoid", 11)


@pytest.mark.parametrize("start, end", [(0.0, 0.02), (0.02, 1e-4), (1e-4, 1.0)])
def test_betas_out_of_range_are_refused(start, end):
    with pytest.raises(ValueError, match=f"beta_start={start} and beta_end={end}"):
        get_betas("linear", 11, beta_start=start, beta_end=end)


def test_a_single_step_is_refused():
    with pytest.raises(ValueError, match="num_timesteps must be at least 2, got 1"):
        get_betas("linear", 1)
