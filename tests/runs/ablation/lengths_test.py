"""The equal length of runs."""

import dataclasses
import time

import pytest

from tests.runs.toy_run import MANIFEST
from tf_diffseg.errors import InputError
from tf_diffseg.runs.ablation.arms import make_arms
from tf_diffseg.runs.ablation.costs import RunCost
from tf_diffseg.runs.ablation.lengths import length_in_time, with_lengths
from tf_diffseg.runs.ablation.settings import Settings
from tf_diffseg.runs.planning.run_length import TRAINING_SHARE
from tf_diffseg.runs.train_config import TrainConfig

# One case: an epoch has as many steps as patches.
_CONFIG = TrainConfig(batch_size=1, patches_per_volume=10, epochs=6)
_ARMS = make_arms(_CONFIG, {"few": {"patches_per_volume": 4}, "dice": {"ema": 0.5}})
_COSTS = {
    "default": RunCost(1.0, 10.0),
    "few": RunCost(1.0, 10.0),
    "dice": RunCost(2.0, 10.0),
}


def _with_lengths(settings, arms=_ARMS, deadline=None):
    def measure(arm):
        return _COSTS[arm.name]

    return with_lengths(settings, arms, MANIFEST, 2, measure, deadline)


def test_without_a_budget_all_have_the_steps_of_the_config_and_nothing_is_measured():
    _COSTS_BEFORE = dict(_COSTS)
    try:
        _COSTS.clear()
        settings = _with_lengths(Settings())
    finally:
        _COSTS.update(_COSTS_BEFORE)
    assert settings.length == 60
    assert settings.epochs == {"default": 6, "few": 15, "dice": 6}


def test_equal_minutes_are_those_of_the_default():
    settings = _with_lengths(Settings(equal="minutes"))
    assert settings.length == 1.0
    assert settings.epochs == {"default": 6, "few": 15, "dice": 3}


def test_a_step_that_is_measured_a_little_longer_costs_no_epoch(monkeypatch):
    for seconds, epochs in [(1.05, 6), (1.08, 6), (1.1, 5), (0.95, 6), (0.92, 7)]:
        monkeypatch.setitem(_COSTS, "dice", RunCost(seconds, 10.0))
        settings = _with_lengths(Settings(equal="minutes"))
        assert settings.epochs["dice"] == epochs
        # Nothing takes longer than the time that was given.
        settings = dataclasses.replace(settings, epochs={"default": 6, "few": 15})
        settings = _with_lengths(settings, deadline=time.monotonic() + 1e6)
        assert settings.epochs["dice"] == int(6 / seconds)


@pytest.mark.parametrize("equal, length", [("steps", 100), ("minutes", 400 / 180)])
def test_all_runs_fit_into_the_time(equal, length, capsys):
    # Two seeds of three arms, each with ten seconds beside the training.
    seconds = 2 * 400 / TRAINING_SHARE + 60
    assert length_in_time(equal, _COSTS.values(), 2, seconds) == pytest.approx(length)
    deadline = time.monotonic() + seconds + 1
    settings = _with_lengths(Settings(equal=equal), deadline=deadline)
    assert settings.epochs["default"] == (10 if equal == "steps" else 13)
    assert "6 runs, about " in capsys.readouterr().out


def test_a_new_arm_has_the_length_of_the_others(capsys):
    begun = _with_lengths(Settings(), _ARMS[:1])
    assert "6 epoch(s) of 10 steps" in capsys.readouterr().out
    settings = _with_lengths(begun, _ARMS, deadline=time.monotonic() + 1e6)
    assert settings.length == 60 and settings.epochs["few"] == 15
    assert "default" not in capsys.readouterr().out


def test_refuses_a_time_that_is_too_short():
    with pytest.raises(InputError, match="^budget_minutes: starting and scoring 6 run"):
        length_in_time("steps", _COSTS.values(), 2, 59)
    with pytest.raises(InputError, match=r"^equal=steps: a run would have 0\.\d steps"):
        _with_lengths(Settings(), deadline=time.monotonic() + 65)
