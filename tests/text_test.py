"""Options by name, in text."""

import enum

import numpy as np
import pytest

from tf_diffseg.text import named_options, with_options


class _Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "text, options",
    [
        ("name", {}),
        ("name:a=1.5, b = -2", {"a": 1.5, "b": -2}),
        ("name:a=false,b=True,c=TRUE", {"a": False, "b": True, "c": True}),
        ("name:a=text,b=it's", {"a": "text", "b": "it's"}),
        ("name:a=(1, (2, 3)),b=[4,5]", {"a": (1, (2, 3)), "b": [4, 5]}),
        ("name:a='x,y=z',b='1.5',c='true'", {"a": "x,y=z", "b": "1.5", "c": "true"}),
        ("name:a=(1,b=2", {"a": "(1", "b": 2}),
    ],
)
def test_options_are_read_and_written(text, options):
    assert named_options(text) == ("name", options)
    assert named_options(with_options("name", options)) == ("name", options)


def test_options_are_written_as_people_write_them():
    assert with_options("ddim", {"eta": 0.5}) == "ddim:eta=0.5"
    assert with_options("ddim", {}) == "ddim"
    given = {"a": np.float32(0.5), "b": np.array([1, 2]), "c": _Colour.RED}
    assert with_options("x", given) == "x:a=0.5,b=[1, 2],c='red'"


@pytest.mark.parametrize("value", [float("nan"), object(), {1: object()}])
def test_a_value_that_cannot_be_read_again_is_not_written(value):
    with pytest.raises(ValueError, match="is not read as it is written"):
        with_options("name", {"a": value})


@pytest.mark.parametrize("text", ["name:", "name:a", "name:a=", "name:=1", "name:a=1,"])
def test_options_without_a_value_are_refused(text):
    with pytest.raises(ValueError, match="expected a name with options such as name:"):
        named_options(text)
