"""Whether something can be written where a flag says, asked before any work."""

import os
import pathlib

from tf_diffseg.errors import InputError


def output_folder(flag_name, value):
    """Checks the path of a folder to write into, which may not exist yet.

    Args:
        flag_name: name of the flag, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: no folder can be there.
    """
    path = pathlib.Path(value)
    if not value:
        raise InputError(f"--{flag_name} is empty, expected a folder")
    _check_folder(f"--{flag_name}={value}", path, path)
    return path


def output_file(flag_name, value):
    """Checks the path of a file to write; as `output_folder`.

    Args:
        flag_name: name of the flag, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: a folder is there, or its own folder cannot be.
    """
    path = pathlib.Path(value)
    if os.path.isdir(path):
        raise InputError(f"--{flag_name}={value} is a folder, expected a file")
    _check_folder(f"--{flag_name}={value}", path, path.parent)
    return path


def _check_folder(flag, path, folder):
    while not os.path.lexists(folder):
        folder = folder.parent
    if not os.path.isdir(folder):
        if folder == path:
            raise InputError(f"{flag} is a file, expected a folder")
        raise InputError(f"{flag} lies below {folder}, which is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{flag}: nothing may be written into {folder}")
