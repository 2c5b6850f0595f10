"""Flags of options."""

import dataclasses

import pytest
from absl import flags
from absl.testing import flagsaver

from tf_diffseg.errors import InputError
from tf_diffseg.fields import check, option
from tf_diffseg.option_flags import define_flags, from_flags


@dataclasses.dataclass(frozen=True)
class _Options:
    toy_counts: tuple[int, ...] = option((1, 2), "Numbers.", at_least=1)
    toy_rows: tuple[int, ...] | tuple[tuple[int, ...], ...] = option(
        (2, 2, 2), "Sizes.", at_least=1, length=3, nested=True
    )

    def __post_init__(self):
        check(self)


define_flags(_Options, has_defaults=False)


def _options(**texts):
    flags.FLAGS.mark_as_parsed()
    with flagsaver.as_parsed(**texts):
        return from_flags(_Options)


def test_without_a_flag_the_default_stays():
    assert _options() == _Options()


@pytest.mark.parametrize(
    "text, value",
    [
        ("2,3,1", (2, 3, 1)),
        ("2,2,1/2,2,2", ((2, 2, 1), (2, 2, 2))),
        ("2, 2, 1 / 2, 2, 2", ((2, 2, 1), (2, 2, 2))),
    ],
)
def test_a_slash_divides_rows(text, value):
    assert _options(toy_rows=text).toy_rows == value


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("toy_rows", "2,2", "3 whole numbers, or tuples of 3 each, got (2, 2)"),
        ("toy_rows", "2,2,1/2", "3 whole numbers, or tuples of 3 each, got ((2, 2, 1)"),
        ("toy_rows", "2,2,1/", "3 whole numbers, or tuples of 3 each, got '2,2,1/'"),
        ("toy_rows", "2,2,1/2,0,2", "at least 1, got ((2, 2, 1), (2, 0, 2))"),
        ("toy_counts", "1,2/3,4", "some whole numbers, got ((1, 2), (3, 4))"),
        ("toy_counts", "1,x", "some whole numbers, got '1,x'"),
        ("toy_counts", "", "some whole numbers, got ()"),
    ],
)
def test_a_wrong_value_is_named(name, text, message):
    with pytest.raises(InputError) as caught:
        _options(**{name: text})
    assert caught.value.of_command().startswith(f"--{name} must be {message}")
