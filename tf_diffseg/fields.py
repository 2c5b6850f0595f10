"""Options: dataclass fields that say what they are, and one check of their values.

Loads neither TensorFlow nor absl; `tf_diffseg.option_flags` makes flags of them.
"""

import dataclasses
import enum
import numbers
import types
import typing

from tf_diffseg.errors import InputError

# Beyond it lie numbers that training, of 32 bits, takes for infinite.
_LARGEST = 3e38


def option(
    default,
    help,  # noqa: A002  as flags call it
    part="",
    *,
    at_least=None,
    at_most=None,
    less_than=None,
    length=None,
    choices=(),
    takes_options=False,
    letters="",
):
    """A field of a dataclass whose values `check` checks.

    Args:
        default: value if none is given; the field's type says whether it may be None.
        help: what the option means.
        part: what the value is for, such as "pipeline"; see `part_values`.
        at_least: smallest value of a number, or of each of several.
        at_most: largest value.
        less_than: a value that is too large already.
        length: how many numbers a tuple has; None for any.
        choices: the only values of a text: an Enum class, or values and members.
        takes_options: whether a choice may have options, as "ddim:eta=0.5", which
            what it is the choice of checks.
        letters: the letters of which a text may have each once.

    Returns:
        A field for a class of `dataclasses.dataclass`.
    """
    metadata = {
        "help": help,
        "part": part,
        "at_least": at_least,
        "at_most": at_most,
        "less_than": less_than,
        "length": length,
        "choices": tuple(getattr(choice, "value", choice) for choice in choices),
        "takes_options": takes_options,
        "letters": letters,
    }
    return dataclasses.field(default=default, metadata=metadata)


def part_values(instance, *parts):
    """Dict from name to value of the options that belong to one of `parts`."""
    return {
        field.name: getattr(instance, field.name)
        for field in dataclasses.fields(instance)
        if field.metadata["part"] in parts
    }


def kinds(cls):
    """Dict from the name of each option to its type: str, bool, int, tuple ..."""
    hints = typing.get_type_hints(cls)
    return {field.name: _kind(hints[field.name]) for field in dataclasses.fields(cls)}


def check(instance):
    """Checks the values of a dataclass of options, and turns each into its type.

    A list becomes a tuple, a whole number a float, a value of NumPy one of Python and
    a member of an Enum its value, if the option is of that type.

    Raises:
        InputError: a value is of another type, or out of range; the message names the
            option, what was expected and what came.
    """
    hints = typing.get_type_hints(type(instance))
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value is None and type(None) in typing.get_args(hints[field.name]):
            continue
        value, kind = _as_python(value), _kind(hints[field.name])
        expected = _unmet(field.metadata, kind, value)
        if expected:
            raise InputError(
                f"{field.name} must be {expected}, got {value!r}", argument=field.name
            )
        object.__setattr__(instance, field.name, kind(value))


def _kind(hint):
    """The type of a hint, without what is in it and without None."""
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    return typing.get_origin(hint) or hint


def _as_python(value):
    if isinstance(value, enum.Enum):
        return value.value
    return value.tolist() if hasattr(value, "tolist") else value


def _unmet(metadata, kind, value):
    """What is expected of a value, if it is anything else; or None."""
    choices, letters = metadata["choices"], metadata["letters"]
    if choices:
        name = value
        if metadata["takes_options"] and isinstance(value, str):
            name = value.partition(":")[0]
        return None if name in choices else f"one of {', '.join(choices)}"
    if kind is tuple:
        length = metadata["length"]
        if not _are_whole(value, length):
            return f"{length or 'some'} whole numbers"
        return _outside(metadata, value)
    expected, fits = _EXPECTED[kind]
    if not fits(value):
        return expected
    if letters and len(set(value) & set(letters)) != len(value):
        return f"of {letters}"
    return _outside(metadata, (value,))


def _outside(metadata, values):
    least, most = metadata["at_least"], metadata["at_most"]
    if least is not None and min(values) < least:
        return f"at least {least}"
    if most is not None and max(values) > most:
        return f"at most {most}"
    if metadata["less_than"] is not None and max(values) >= metadata["less_than"]:
        return f"less than {metadata['less_than']}"
    return None


def _whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _are_whole(values, length):
    is_list = isinstance(values, (tuple, list)) and all(map(_whole, values))
    return is_list and len(values) == (length or max(len(values), 1))


def _finite(value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and abs(value) <= _LARGEST


def _is_a(*of):
    return lambda value: isinstance(value, of)


_EXPECTED: dict[type, tuple[str, typing.Callable]] = {
    str: ("text", _is_a(str)),
    bool: ("true or false", _is_a(bool)),
    int: ("a whole number", _whole),
    float: ("a finite number of 32 bits", _finite),
    dict: ("names with a number each", _is_a(dict)),
}
