"""Whether something can be written where an argument says, asked before any work."""

import os
import pathlib

from tf_diffseg.errors import InputError


def output_folder(argument, value):
    """Checks the path of a folder to write into, which may not exist yet.

    Args:
        argument: its name, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: no folder can be there.
    """
    path = pathlib.Path(value)
    if not value:
        raise InputError(f"{argument} is empty, expected a folder", argument=argument)
    _check_folder(argument, value, path)
    return path


def output_file(argument, value):
    """Checks the path of a file to write; as `output_folder`.

    Args:
        argument: its name, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: a folder is there, or its own folder cannot be.
    """
    path = pathlib.Path(value)
    if os.path.isdir(path):
        raise InputError(
            f"{argument}={value} is a folder, expected a file", argument=argument
        )
    _check_folder(argument, value, path.parent)
    return path


def _check_folder(argument, value, folder):
    given = f"{argument}={value}"
    while not os.path.lexists(folder):
        folder = folder.parent
    if not os.path.isdir(folder):
        if folder == pathlib.Path(value):
            raise InputError(f"{given} is a file, expected a folder", argument=argument)
        raise InputError(
            f"{given} lies below {folder}, which is not a folder", argument=argument
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"{given}: nothing may be written into {folder}", argument=argument
        )
