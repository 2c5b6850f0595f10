import json

import pytest

from tests.commands import run_module


@pytest.fixture(scope="module")
def draws():
    """Of steps 0, 1 and 0 again: dict from name to the values of two replicas."""
    process = run_module("tests.training.two_device_draws")
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_a_step_is_repeated_and_steps_differ(draws):
    first, second, again = draws
    assert first == again
    assert all(first[name] != second[name] for name in first)


@pytest.mark.parametrize("name", ["timesteps", "noise", "dropout", "gathered"])
def test_both_replicas_have_what_is_drawn_for_the_batch(draws, name):
    one, two = draws[0][name]
    assert one == two


def test_each_example_has_noise_and_dropout_of_its_own(draws):
    one, two = draws[0]["examples"]
    assert len(set(one + two)) == 3
    assert draws[0]["gathered"][0] == pytest.approx(one + two, rel=1e-6)
    assert draws[0]["logits"][0] != draws[0]["logits"][1]
