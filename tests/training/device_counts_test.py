"""1 to 4 devices, whatever the batches and cases: always as one device."""

import json

import pytest

from tests.commands import run_module
from tests.training.toys import TWO_STEPS


def _check(device_counts, cases_and_batches, arguments, accumulation_steps=1):
    given = (device_counts, cases_and_batches, arguments, accumulation_steps)
    process = run_module("tests.training.same_on_devices", *map(json.dumps, given))
    assert process.returncode == 0, process.stderr[-4000:]
    assert process.stdout.splitlines()[-1] == "as one device"


# (cases, batch size): last batches of all sizes, and batches smaller than the devices.
_FEW = [(3, 2), (7, 4), (1, 1), (5, 3), (4, 6)]
# Every size of a batch up to 8, with every size of the last one after it.
_ALL = [(batch + last, batch) for batch in range(1, 9) for last in range(batch)]


def test_two_devices_train_score_and_predict_as_one():
    # Shares of 1 and 1, and of 1 and 0; the table below has the rest.
    drawn = {"timestep_sampling": "loss", "dropout": 0.3}
    _check([2], [(3, 2)], TWO_STEPS | drawn, accumulation_steps=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"timestep_sampling": "loss", "dropout": 0.3},
        {"strategy": "supervised", "remat": True, "dropout": 0.3},
        {"strategy": "self_conditioning", "sampler": "ddpm", "norm": "channel"},
        {"ignore_label": 3, "timestep_sampling": "loss"},
        {"focal_weight": 1.0, "dice_weight": 0.0},
    ],
    ids=str,
)
def test_up_to_four_devices_train_score_and_predict_as_one(arguments):
    _check([2, 3, 4], _FEW if arguments else _ALL, arguments)


@pytest.mark.slow
def test_three_devices_with_accumulation_train_score_and_predict_as_one():
    _check([3], [(5, 3)], {"timestep_sampling": "loss", "dropout": 0.3}, 2)
