"""Checks where a data set may be written, and puts it there at once."""

import os
import shutil

from tf_diffseg.data import manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder, real_path

# The files that `data_tools.conversion.converter` writes beside the shards.
_METADATA = frozenset({manifest.FILE_NAME, "features.json", "dataset_info.json"})


def is_data_set(output_dir):
    """Whether `output_dir` holds a converted data set, or the manifest of one."""
    return os.path.isfile(real_path(output_dir) / manifest.FILE_NAME)


def check_output_dir(output_dir, overwrite):
    """Raises InputError unless `output_dir` may be written.

    A folder with files is replaced only with `overwrite`, and only if it holds a
    converted data set and nothing else: a mistyped path must not delete a home
    folder or a training run, which has a manifest too.
    """
    output_folder("output_dir", output_dir)
    folder = real_path(output_dir)
    if os.path.ismount(folder):
        raise _refusal(
            output_dir,
            " is a mount point, which cannot be replaced by a finished folder: give a "
            f"folder in it, such as {folder / 'shards'}",
        )
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not overwrite:
        is_done = is_data_set(output_dir)
        what = "holds a converted data set" if is_done else "is not empty"
        raise _refusal(output_dir, f" {what}; `overwrite` replaces it")
    if not is_data_set(output_dir):
        raise _refusal(
            output_dir,
            f" holds files but no {manifest.FILE_NAME}, so "
            "`overwrite` does not replace it; remove it yourself",
        )
    foreign = _foreign_entries(folder)
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise _refusal(
            output_dir,
            f" holds what no converted data set has ({', '.join(foreign[:3])}{more}), "
            "so `overwrite` does not replace it; remove it yourself",
        )


def _refusal(output_dir, what):
    return InputError(f"output_dir={output_dir}{what}", argument="output_dir")


def _foreign_entries(folder):
    """Names in `folder` that its manifest does not describe."""
    try:
        splits = manifest.read_manifest(folder).splits.values()
    except InputError:
        splits = ()  # from another program or version, so its files are unknown
    known = {shard.file_name for split in splits for shard in split.shards}
    known |= _METADATA
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in known or path.is_symlink() or not path.is_file()
    )


def sibling(output_dir, suffix):
    """Path of `.OUT.suffix` beside `output_dir`, on the same file system."""
    folder = real_path(output_dir)
    return folder.with_name(f".{folder.name}.{suffix}")


def publish(new, output_dir):
    """Renames the complete folder `new` to `output_dir`, and removes what was there.

    Raises:
        OSError: if it cannot be renamed, such as to another file system.
    """
    folder = real_path(output_dir)
    if folder.exists():
        remove_old(output_dir)  # left by a process that was killed
        os.rename(folder, sibling(output_dir, "old"))
    os.rename(new, folder)
    remove_old(output_dir)


def remove_old(output_dir):
    """Removes the folder that `publish` moved out of the way."""
    shutil.rmtree(sibling(output_dir, "old"), ignore_errors=True)
