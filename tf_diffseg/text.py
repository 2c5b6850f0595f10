"""Texts for messages, and readers of text that people write."""

import ast
import enum
import json
import pathlib

from tf_diffseg.errors import InputError


def shown(value, longest=200):
    """Writes `value` for a message: on one line, without control characters, cut."""
    text = ascii(value) if not str(value).isprintable() else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def shown_path(path):
    """Writes a path for a message, whole: one that is cut names no file."""
    return shown(path, longest=4096)


def one_line(error):
    """Returns the text of an error on one line."""
    return " ".join(str(error).split())


def read_json_value(path):
    """Reads a JSON file; raises InputError if it cannot be read."""
    try:
        # Some editors put a byte order mark at the start.
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {one_line(error)}") from error


def read_json(path):
    """Reads a JSON object; raises InputError if the file holds anything else."""
    fields = read_json_value(path)
    if not isinstance(fields, dict):
        raise InputError(
            f"{path} holds a JSON {type(fields).__name__}, expected an object"
        )
    return fields


def named_options(text):
    """Parses "name:option=value,option=value".

    Returns:
        (name, dict from option to its value: what Python reads, such as a number, a
        quoted text or a tuple; true or false in any case; or the text as it stands).

    Raises:
        ValueError: an option has no value.
    """
    name, colon, rest = text.partition(":")
    options = {}
    pieces = rest.split(",") if colon else []
    while pieces:
        option, equals, value = map(str.strip, pieces.pop(0).partition("="))
        if not (equals and option and value):
            raise ValueError(
                f"{text}: expected a name with options such as {name}:option=1.5"
            )
        options[option], num_more = _parsed_value(value, pieces)
        del pieces[:num_more]
    return name.strip(), options


def _parsed_value(text, pieces):
    """The value, and how many of the next pieces belong to it, as in (1, 2)."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true", 0
    for num_more in range(len(pieces) + 1 if text[0] in "([{'\"" else 1):
        try:
            whole = ",".join([text, *pieces[:num_more]])
            return ast.literal_eval(whole.strip()), num_more
        except (ValueError, SyntaxError):
            continue
    return text, 0


def with_options(name, options):
    """Writes the text that `named_options` parses.

    Raises:
        ValueError: a value cannot be written so that it is read again.
    """
    options = {option: as_python(value) for option, value in options.items()}
    values = ",".join(f"{option}={value!r}" for option, value in options.items())
    text = f"{name}:{values}" if values else name
    if named_options(text) != (name, options):
        raise ValueError(
            f"{text} is not read as it is written; options must be numbers, truth "
            "values, texts, or lists, tuples and dicts of them"
        )
    return text


def as_python(value):
    """A NumPy value as a Python value, and a member of an Enum as its value."""
    if isinstance(value, enum.Enum):
        return value.value
    return value.tolist() if hasattr(value, "tolist") else value
