"""Where a data set may be written, and how it appears there at once."""

import os
import pathlib
import shutil

from data_tools import manifest
from data_tools.errors import InputError

# What `data_tools.conversion` writes beside the shards.
_METADATA = frozenset({manifest.FILE_NAME, "features.json", "dataset_info.json"})


def check_place(output_dir):
    """Raises InputError unless `output_dir` is a folder or can be made one."""
    folder = pathlib.Path(output_dir).absolute()
    try:
        place = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:  # such as a name that is too long
        raise InputError(f"--output_dir={output_dir}: {error.strerror}") from error
    if not place.is_dir():
        where = "is" if place == folder else f"cannot be made: {place} is"
        raise InputError(f"--output_dir={output_dir} {where} a file, expected a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(
            f"--output_dir={output_dir} cannot be made: {place} is not writable"
        )


def check_output_dir(output_dir, overwrite):
    """Raises InputError unless `output_dir` may be written.

    A folder with files is replaced only with `overwrite`, and only if it holds a
    converted data set and nothing else: a mistyped path must cost nobody a home
    folder or a training run, which has a manifest too.
    """
    check_place(output_dir)
    folder = pathlib.Path(output_dir)
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise InputError(
            f"--output_dir={output_dir} is not empty; --overwrite replaces it"
        )
    if not (folder / manifest.FILE_NAME).is_file():
        raise InputError(
            f"--output_dir={output_dir} holds files but no {manifest.FILE_NAME}, so "
            "--overwrite does not replace it; remove it yourself"
        )
    foreign = _foreign_entries(folder)
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise InputError(
            f"--output_dir={output_dir} holds what no converted data set has "
            f"({', '.join(foreign[:3])}{more}), so --overwrite does not replace it; "
            "remove it yourself"
        )


def _foreign_entries(folder):
    """Names in `folder` that are no file of the data set its manifest describes."""
    try:
        splits = manifest.read_manifest(folder).splits.values()
    except InputError:
        splits = ()  # of another program or version: its files are not known
    known = {shard.file_name for split in splits for shard in split.shards}
    known |= _METADATA
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in known or path.is_symlink() or not path.is_file()
    )


def sibling(output_dir, suffix):
    """Path of `.OUT.suffix` beside `output_dir`: one rename makes one the other."""
    folder = pathlib.Path(output_dir).absolute()
    return folder.with_name(f".{folder.name}.{suffix}")


def publish(new, output_dir):
    """Makes a whole folder `output_dir`; a data set in its place is removed.

    Args:
        new: folder on the same file system.
        output_dir: folder, absent, empty or to replace.

    Raises:
        OSError: if it cannot be renamed.
    """
    folder = pathlib.Path(output_dir).absolute()
    old = sibling(output_dir, "old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)  # of a process that was killed
        os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)
