"""A folder that appears whole or not at all."""

import contextlib
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


@contextlib.contextmanager
def staged_folder(output_dir, overwrite=False):
    """Gives a temporary folder that becomes `output_dir` on success.

    It lies beside `output_dir`, so that one rename on one file system makes it
    visible. On any error it is removed and `output_dir` stays as it was.

    Args:
        output_dir: folder to make.
        overwrite: whether to replace a converted data set.

    Yields:
        Path of the temporary folder.

    Raises:
        InputError: as `check_output_dir`, or if the place cannot be written.
    """
    check_output_dir(output_dir, overwrite)
    folder = pathlib.Path(output_dir).absolute()
    staging = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        staging.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write beside {folder}: {error}") from error
    try:
        yield staging
        _replace(folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace(folder, staging):
    if not folder.exists():
        os.rename(staging, folder)
        return
    old = folder.with_name(f".{folder.name}.old-{os.getpid()}")
    os.rename(folder, old)
    os.rename(staging, folder)
    shutil.rmtree(old)
