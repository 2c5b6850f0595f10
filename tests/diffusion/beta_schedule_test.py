"""The shapes of the schedules, and refused arguments."""

import numpy as np
import pytest

from tf_diffseg.diffusion.beta_schedule import BetaSchedule, get_betas


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


@pytest.mark.parametrize(
    "schedule, share_of_rise",
    [
        ("linear", lambda s: s),
        ("cosine", lambda s: np.sin(np.pi / 2 * (s + 0.008) / 1.008) ** 2),
    ],
)
def test_betas_follow_their_formula(schedule, share_of_rise):
    share = np.linspace(0.0, 1.0, 21)
    rise = share_of_rise(share)
    rise = (rise - rise[0]) / (rise[-1] - rise[0])
    found = (get_betas(schedule, 21, 1e-3, 0.05) - 1e-3) / (0.05 - 1e-3)
    np.testing.assert_allclose(found, rise, atol=2e-4)


def test_the_quadratic_schedule_is_linear_in_the_root():
    roots = np.sqrt(get_betas("quadratic", 21, 1e-3, 0.05))
    np.testing.assert_allclose(roots, np.linspace(roots[0], roots[-1], 21), rtol=1e-9)


def test_betas_may_all_be_the_same():
    np.testing.assert_allclose(get_betas("linear", 5, 0.02, 0.02), 0.02)


def test_two_steps_are_its_ends():
    np.testing.assert_allclose(get_betas("linear", 2, 0.01, 0.03), [0.01, 0.03])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("sigmoid", 11), "'sigmoid' is not a valid BetaSchedule"),
        (("linear", 1), "num_timesteps must be at least 2, got 1"),
        (("linear", 11, 0.0, 0.02), "beta_start=0.0 and `beta_end=0.02`"),
        (("linear", 11, 0.02, 1e-4), "beta_start=0.02 and `beta_end=0.0001`"),
        (("linear", 11, 1e-4, 1.0), "beta_start=0.0001 and `beta_end=1.0`"),
    ],
)
def test_refuses_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        get_betas(*arguments)
