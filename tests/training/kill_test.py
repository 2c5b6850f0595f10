"""SIGKILL at random moments: the resumed run ends as an undisturbed one, bitwise.

`TF_DIFFSEG_KILLS=20 TF_DIFFSEG_KILL_STEPS=1200 pytest tests/training/kill_test.py -s`
kills twenty times, and of runs that take minutes rather than seconds.
"""

import itertools
import os
import random
import time

import numpy as np
import pytest

from tests.commands import started_module
from tests.training.toys import assert_equal

_KILLS = int(os.environ.get("TF_DIFFSEG_KILLS", "2"))
_STEPS = int(os.environ.get("TF_DIFFSEG_KILL_STEPS", "40"))  # Of each of three epochs.


def _run(folder, result, steps, kill_after=None):
    """Trains; returns whether it came to its end, and how many seconds it trained."""
    program = "tests.training.killable_run"
    with started_module(program, folder, result, steps) as started:
        while "training" not in started.output()[0] and started.wait(0.01) is None:
            pass
        began = time.monotonic()
        if kill_after is not None:
            started.wait(kill_after)
            started.kill()
        completed = started.completed()
    assert completed.returncode in (0, -9), completed.stderr
    return completed.returncode == 0, time.monotonic() - began


def _run_killed(folder, result, steps, seconds, most_kills, moments):
    """Trains to the end, killed and started again; returns how often it was killed."""
    for kills in itertools.count():
        kill_after = moments.uniform(0.0, seconds) if kills < most_kills else None
        if _run(folder, result, steps, kill_after)[0]:
            return kills


@pytest.mark.parametrize(
    "most_kills, steps", [(1, 4), pytest.param(_KILLS, _STEPS, marks=pytest.mark.slow)]
)
def test_a_killed_run_ends_bitwise_as_an_undisturbed_one(tmp_path, most_kills, steps):
    whole = tmp_path / "whole.npz"
    done, seconds = _run(tmp_path / "whole", whole, steps)
    assert done
    kills, moments = 0, random.Random()
    for attempt in itertools.count():  # A run may end before it is to be killed.
        if kills == most_kills:
            break
        folder = tmp_path / f"killed-{attempt}"
        killed = folder.with_suffix(".npz")
        kills += _run_killed(
            folder, killed, steps, seconds, most_kills - kills, moments
        )
        with np.load(whole) as expected, np.load(killed) as found:
            assert expected.files == found.files
            assert_equal(found.values(), expected.values())
    print(f"{kills} kills of a run that trains for {seconds:.0f} s")
