"""A folder that appears whole or not at all."""

import contextlib
import os
import pathlib
import shutil

from data_tools import manifest
from data_tools.errors import InputError


def check_output_dir(output_dir, overwrite):
    """Raises InputError unless `output_dir` may be written.

    A folder with files is replaced only with `overwrite`, and only if it is a
    converted data set: a mistyped path must not cost anyone's home folder.
    """
    folder = pathlib.Path(output_dir)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"--output_dir={output_dir} is a file, expected a folder")
    if not any(folder.iterdir()):
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
