"""Files that are there whole or not at all, whatever ends the writing."""

import contextlib
import json
import os
import pathlib

from tf_diffseg.errors import InputError


@contextlib.contextmanager
def writing(place):
    """Turns what the system says against writing into one line.

    Raises:
        InputError: names `place` and the reason, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        name, reason = error.filename or place, error.strerror or error
        raise InputError(f"cannot write {name}: {reason}") from error


@contextlib.contextmanager
def whole_files():
    """Writes files that appear together, each once all are whole.

    Yields:
        Function of a path, whose folder it makes: a context manager that gives the
        temporary path to write to, with the same ending in small letters. At last the
        files get their names, in the order in which they were written.

    Raises:
        InputError: names the file that cannot be written, and the reason. None of
            them is left, and those of an earlier time are as they were.
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
    """Libraries that tell formats by endings know few in capital letters.

    Of .Nii nibabel makes .nii, of .MHA ITK makes .mhd and .zraw: files that nobody
    would put in place or remove.
    """
    ending = "".join(pathlib.PurePath(name).suffixes[-2:])
    return name[: len(name) - len(ending)] + ending.lower()


@contextlib.contextmanager
def whole_file(path):
    """Gives a temporary path that becomes `path` on success; see `whole_files`."""
    with whole_files() as whole, whole(path) as temporary:
        yield temporary


def write_text(path, text, whole=whole_file):
    """Writes a file of text, whole or not at all.

    Args:
        path: of the file.
        text: what it is to hold.
        whole: from `whole_files`, if the file is to appear with others.

    Raises:
        InputError: it cannot be written.
    """
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value, indent=None, whole=whole_file):
    """Writes a JSON file as `write_text` does."""
    write_text(path, json.dumps(value, indent=indent) + "\n", whole)


@contextlib.contextmanager
def _named(path, temporary):
    """As `writing`, of a temporary file by the name that it is to have."""
    with writing(path):
        try:
            yield
        except OSError as error:
            if error.filename == str(temporary):
                error.filename = str(path)
            raise
