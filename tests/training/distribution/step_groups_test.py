import pytest

from tf_diffseg.training.distribution.step_groups import StepGroups, is_of_steps


def test_a_few_steps_are_a_group_each():
    groups = StepGroups(5)
    assert [groups.group(step) for step in range(5)] == [0, 1, 2, 3, 4]
    assert groups.names("loss_t") == [f"loss_t{step}" for step in range(5)]
    assert groups.names("dice_step_", first=1)[-1] == "dice_step_5"


@pytest.mark.parametrize("num_steps", [11, 25, 1001])
def test_names_of_many_steps_say_what_is_in_the_group(num_steps):
    groups = StepGroups(num_steps)
    names = groups.names("loss_t", first=1)
    assert len(names) == groups.num_groups == 10
    named = []
    for group, name in enumerate(names):
        first, _, last = name.removeprefix("loss_t").partition("_to_")
        steps = range(int(first) - 1, int(last or first))
        assert {groups.group(step) for step in steps} == {group}
        named += steps
    assert named == list(range(num_steps))


@pytest.mark.parametrize(
    "name, expected",
    [
        ("loss_t0", True),
        ("loss_t0_to_9", True),
        ("val_dice_step_5", True),
        ("loss", False),
        ("val_dice_class_1", False),
    ],
)
def test_series_are_known_by_their_names(name, expected):
    assert is_of_steps(name) is expected
