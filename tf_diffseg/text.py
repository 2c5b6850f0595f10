"""Text for messages, and text files that people write."""

import json
import pathlib

from tf_diffseg.errors import InputError


def shown(value, longest=200):
    """`value` for a message: on one line, without control characters, cut."""
    text = ascii(value) if not str(value).isprintable() else repr(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def one_line(error):
    """What an error says, on one line."""
    return " ".join(str(error).split())


def read_json_value(path):
    """What a JSON file holds; raises InputError if it cannot be read."""
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
