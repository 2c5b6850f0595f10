"""Writes files that appear whole or not at all; locks the folders they lie in."""

import contextlib
import fcntl
import json
import os
import pathlib

from tf_diffseg.errors import InputError


@contextlib.contextmanager
def writing(place):
    """Turns an error of the system, such as a full disk, into one line.

    Raises:
        InputError: something cannot be written; the message names the file, or
            `place`, and the reason.
    """
    try:
        yield
    except OSError as error:
        name, reason = error.filename or place, error.strerror or error
        raise InputError(f"cannot write {name}: {reason}") from error


@contextlib.contextmanager
def whole_files():
    """Writes files that appear together, once all of them are whole.

    Yields:
        A function of a path that makes the path's folder and returns a context
        manager. The context manager gives a temporary path to write to, with the same
        ending in small letters. In the end the files get their names, in the order in
        which they were written.

    Raises:
        InputError: a file cannot be written; the message names it and the reason. No
            new file is left, and earlier files of these names are unchanged.
    """
    paths = {}

    @contextlib.contextmanager
    def whole(path):
        path = pathlib.Path(path)
        temporary = path.with_name(f".{os.getpid()}-{_with_small_ending(path.name)}")
        paths[temporary] = path
        with _named(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary

    try:
        yield whole
        for temporary, path in paths.items():
            with _named(path, temporary):
                os.replace(temporary, path)
    finally:
        for temporary in paths:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _with_small_ending(name):
    """Returns a name with its ending in small letters.

    Libraries do not know all endings in capital letters: nibabel writes .nii for .Nii,
    ITK .mhd and .zraw for .MHA. Nobody would rename or remove these files.
    """
    ending = "".join(pathlib.PurePath(name).suffixes[-2:])
    return name[: len(name) - len(ending)] + ending.lower()


@contextlib.contextmanager
def whole_file(path):
    """Gives a temporary path that is renamed to `path` at the end: `whole_files`."""
    with whole_files() as whole, whole(path) as temporary:
        yield temporary


def write_text(path, text, whole=whole_file):
    """Writes a text file, whole or not at all; raises InputError if it cannot.

    Args:
        path: path of the file.
        text: its content.
        whole: function from `whole_files`, if the file shall appear with others.
    """
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value, indent=None, whole=whole_file):
    """Writes a JSON file as `write_text` does."""
    write_text(path, json.dumps(value, indent=indent) + "\n", whole)


@contextlib.contextmanager
def alone_in(argument, folder):
    """Makes a folder if it is missing, and locks it, at most until this process ends.

    Raises:
        InputError: another process holds it; the message names `argument`.
    """
    with writing(folder):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise InputError(
            f"{argument}={folder} is being written by another process", argument
        ) from None
    try:
        yield
    finally:
        os.close(opened)


@contextlib.contextmanager
def _named(path, temporary):
    """Does what `writing` does, and names `path` in place of its temporary file."""
    with writing(path):
        try:
            yield
        except OSError as error:
            if error.filename == str(temporary):
                error.filename = str(path)
            raise
