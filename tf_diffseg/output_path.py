"""Whether something can be written where an argument says, asked before any work."""

import os
import pathlib

from tf_diffseg.errors import InputError


def real_path(path):
    """The place itself where `path` is a link to it, there or not."""
    return pathlib.Path(os.path.realpath(path))


def output_folder(argument, value):
    """Checks the path of a folder to write into, which may not exist yet.

    Args:
        argument: name of the argument, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: no folder can be there.
    """
    if not value:
        raise InputError(f"{argument} is empty, expected a folder", argument)
    _check_folder(argument, value, real_path(value))
    return pathlib.Path(value)


def output_file(argument, value):
    """Checks the path of a file to write; as `output_folder`.

    Args:
        argument: name of the argument, for the message.
        value: its value.

    Returns:
        `pathlib.Path`.

    Raises:
        InputError: a folder is there, or its own folder cannot be.
    """
    if os.path.isdir(value):
        raise InputError(f"{argument}={value} is a folder, expected a file", argument)
    _check_folder(argument, value, real_path(value).parent)
    return pathlib.Path(value)


def _check_folder(argument, value, folder):
    def refusal(what):
        return InputError(f"{argument}={value}{what}", argument)

    try:
        if folder.is_symlink():
            raise refusal(" is a loop of links")
        place = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:  # such as a name that is too long
        raise refusal(f": {error.strerror}") from error
    if not place.is_dir():
        if place == real_path(value):
            raise refusal(" is a file, expected a folder")
        raise refusal(f" lies below {place}, which is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise refusal(f": nothing may be written into {place}")
