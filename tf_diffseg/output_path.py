"""Checks of output paths, made before any work is done."""

import os
import pathlib

from tf_diffseg.errors import InputError


def real_path(path):
    """Returns `path` with all links followed; nothing needs to be there."""
    return pathlib.Path(os.path.realpath(path))


def output_folder(argument, value):
    """Checks the path of a folder to write into, which need not exist yet.

    Returns:
        `pathlib.Path` of `value`.

    Raises:
        InputError: there is no folder and none can be made; it names `argument`.
    """
    if not value:
        raise InputError(f"{argument} is empty, expected a folder", argument)
    _check_folder(argument, value, real_path(value))
    return pathlib.Path(value)


def output_file(argument, value):
    """Checks the path of a file to write, like `output_folder`.

    Raises:
        InputError: `value` is a folder, or the file's folder cannot be made.
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
    except OSError as error:  # for example, a name is too long
        raise refusal(f": {error.strerror}") from error
    if not place.is_dir():
        if place == real_path(value):
            raise refusal(" is a file, expected a folder")
        raise refusal(f" lies below {place}, which is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise refusal(f": nothing may be written into {place}")
