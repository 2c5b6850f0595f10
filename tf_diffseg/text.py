"""Texts for messages, and readers of text that people write."""

import ast
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
        (name, dict from option to its value: a number, a truth value or a text).

    Raises:
        ValueError: an option has no value.
    """
    name, colon, rest = text.partition(":")
    options = {}
    for part in rest.split(",") if colon else ():
        option, equals, value = part.partition("=")
        if not (equals and option.strip() and value.strip()):
            raise ValueError(
                f"{text}: expected a name with options such as {name}:option=1.5"
            )
        options[option.strip()] = _parsed_value(value.strip())
    return name.strip(), options


def with_options(name, options):
    """Writes the text that `named_options` parses."""
    values = ",".join(f"{option}={value}" for option, value in options.items())
    return f"{name}:{values}" if values else name


def _parsed_value(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
