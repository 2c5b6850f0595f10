"""Options: dataclass fields that describe themselves, and one check of their values.

Loads neither TensorFlow nor absl; `tf_diffseg.option_flags` makes flags of options.
"""

import dataclasses
import inspect
import numbers
import types
import typing

from tf_diffseg.errors import InputError
from tf_diffseg.text import as_python, named_options

# Larger numbers become infinite in training, which computes with 32 bits.
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
    nested=False,
    choices=(),
    takes_options=False,
    letters="",
):
    """Makes a dataclass field whose value `check` checks.

    Args:
        default: value if none is given. It may be None if the field's type allows it.
        help: what the option means; other options stand in backquotes.
        part: what the value is for, such as "pipeline"; see `part_values`.
        at_least: smallest allowed value of a number, or of each number of a tuple.
        at_most: largest allowed value.
        less_than: smallest value that is too large.
        length: how many numbers a tuple has; None for any.
        nested: whether a tuple may also hold tuples, each of `length` numbers.
        choices: the only values of a text: an Enum class, or values and members.
        takes_options: whether a choice may have options, such as "ddim:eta=0.5".
            The chosen thing checks them itself.
        letters: the letters that a text may contain, each at most once.

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
        "nested": nested,
        "choices": tuple(getattr(choice, "value", choice) for choice in choices),
        "takes_options": takes_options,
        "letters": letters,
    }
    return dataclasses.field(default=default, metadata=metadata)


def part_values(instance, *parts):
    """Returns a dict from name to value of the options that belong to `parts`."""
    return {
        field.name: getattr(instance, field.name)
        for field in dataclasses.fields(instance)
        if field.metadata["part"] in parts
    }


def kinds(cls):
    """Returns a dict from the name of each option to its type, such as str or tuple."""
    hints = typing.get_type_hints(cls)
    return {field.name: _kind(hints[field.name]) for field in dataclasses.fields(cls)}


def check(instance):
    """Checks the values of a dataclass of options and converts each to its type.

    If the option has that type, a list becomes a tuple, a whole number a float, a
    NumPy value a Python value and a member of an Enum its value.

    Raises:
        InputError: a value has another type or is out of range. The message names the
            option, what was expected and what came.
    """
    hints = typing.get_type_hints(type(instance))
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value is None and type(None) in typing.get_args(hints[field.name]):
            continue
        value, kind = as_python(value), _kind(hints[field.name])
        expected = _unmet_expectation(field.metadata, kind, value)
        if expected:
            raise InputError(
                f"{field.name} must be {expected}, got {value!r}", argument=field.name
            )
        value = _as_tuple(value) if kind is tuple else kind(value)
        object.__setattr__(instance, field.name, value)


def check_options(what, options, function, *, but=(), more=None):
    """Checks options by name against the function that will take them.

    Args:
        what: the function as messages name it, such as "sampler=ddim".
        options: dict from the name of an option to its value.
        function: a function or class; its arguments are the options. Where a default
            is a truth value, a number or a text, only such values fit.
        but: arguments that are no options.
        more: dict from further options to their defaults.

    Raises:
        ValueError: there is no such option, or a value is of another kind.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    defaults = {
        each.name: each.default
        for each in parameters
        if each.name not in but and each.kind is not each.VAR_KEYWORD
    }
    defaults |= more or {}
    for option, value in options.items():
        if option not in defaults and not takes_any:
            known = ", ".join(defaults) or "none"
            raise ValueError(f"{what} has no option {option}, it has {known}")
        kind = type(defaults.get(option))
        # A default of 1 may stand for a number with a fraction.
        expected, fits = _EXPECTED.get(float if kind is int else kind, _ANYTHING)
        if not fits(value):
            raise ValueError(f"{what}: {option} must be {expected}, got {value!r}")


def member(name, members, value):
    """The member of an Enum class, or of some members, that is `value` or has it.

    Raises:
        ValueError: there is none; the message starts with the name of the argument.
    """
    for each in members:
        if value in (each, each.value):
            return each
    known = ", ".join(each.value for each in members)
    raise ValueError(f"{name} must be one of {known}, got {value!r}")


def _kind(hint):
    """Returns the type of a hint: tuple for `tuple[int, ...] | None`."""
    if isinstance(hint, types.UnionType):
        hint = typing.get_args(hint)[0]
    return typing.get_origin(hint) or hint


def _as_tuple(values):
    return tuple(_as_tuple(row) if _is_sequence(row) else row for row in values)


def _is_sequence(value):
    return isinstance(value, (tuple, list))


def _unmet_expectation(metadata, kind, value):
    """Returns what is expected of a value that is wrong, or None if it is right."""
    choices, letters = metadata["choices"], metadata["letters"]
    if choices:
        name = value
        if metadata["takes_options"] and isinstance(value, str):
            try:
                name, _ = named_options(value)
            except ValueError:
                return f"a name with options such as {choices[0]}:option=1.5"
        return None if name in choices else f"one of {', '.join(choices)}"
    if kind is tuple:
        return _unmet_by_tuple(metadata, value)
    expected, fits = _EXPECTED[kind]
    if not fits(value):
        return expected
    if letters and len(set(value) & set(letters)) != len(value):
        return f"of {letters}"
    return _unmet_range(metadata, (value,))


def _unmet_by_tuple(metadata, values):
    length = metadata["length"]
    expected, rows = f"{length or 'some'} whole numbers", [values]
    if metadata["nested"]:
        expected += f", or tuples of {length} each"
        if _is_sequence(values) and all(map(_is_sequence, values)):
            rows = values
    for row in rows:
        if not _is_tuple_of_whole_numbers(row, length):
            return expected
        if unmet := _unmet_range(metadata, row):
            return unmet
    return None


def _unmet_range(metadata, values):
    least, most = metadata["at_least"], metadata["at_most"]
    if least is not None and min(values) < least:
        return f"at least {least}"
    if most is not None and max(values) > most:
        return f"at most {most}"
    if metadata["less_than"] is not None and max(values) >= metadata["less_than"]:
        return f"less than {metadata['less_than']}"
    return None


def _is_whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_tuple_of_whole_numbers(values, length):
    if not (_is_sequence(values) and all(map(_is_whole, values))):
        return False
    return len(values) == (length or max(len(values), 1))


def _is_finite(value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and abs(value) <= _LARGEST


_EXPECTED: dict[type, tuple[str, typing.Callable]] = {
    str: ("text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", _is_whole),
    float: ("a finite number of 32 bits", _is_finite),
    dict: ("names with a number each", lambda value: isinstance(value, dict)),
}
_ANYTHING: tuple[str, typing.Callable] = ("anything", lambda value: True)
