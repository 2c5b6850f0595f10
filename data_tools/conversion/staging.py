"""Keeps what an unfinished conversion has done, so that it can go on.

The folder `.OUT.partial` lies beside the folder OUT that a conversion makes:

    measured/KEY.json                    a case's figures, for automatic settings
    cases/KEY.json, cases/KEY.tfrecord   its figures and its record
    shards/                              becomes OUT, by one rename
    done/SHARD.json                      which cases a shard holds, and its checksum

A KEY is a digest of the case's files and of everything else that decides the result.
Files under a KEY are therefore right, whichever process wrote them. Every file is
written under another name and then renamed: it is there whole or not at all, even if
the process is killed.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil

from data_tools.conversion.output_folder import (
    check_output_dir,
    is_data_set,
    publish,
    remove_old,
    sibling,
)
from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import write_json, writing


@dataclasses.dataclass(frozen=True)
class Staging:
    """Paths in the folder of an unfinished conversion.

    Attributes:
        folder: `.OUT.partial`.
    """

    folder: pathlib.Path

    @property
    def shards(self):
        """Folder that becomes the output."""
        return self.folder / "shards"

    @property
    def results(self):
        """Folder where workers may keep files of their own."""
        return self.folder / "results"

    def make(self):
        """Makes the folders that are missing."""
        for name in ("measured", "cases", "shards", "done", "results"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def measures_path(self, key):
        """JSON file with the figures of a case before it is converted."""
        return self.folder / "measured" / f"{key}.json"

    def figures_path(self, key):
        """JSON file with the figures of a converted case; its record is whole."""
        return self.folder / "cases" / f"{key}.json"

    def record_path(self, key):
        """TFRecord file of one case."""
        return self.folder / "cases" / f"{key}.tfrecord"

    def keep_done(self, shard, done):
        """Keeps `{"keys": [...], "sha256": ...}` of a shard that is whole."""
        write_json(self.folder / "done" / f"{shard}.json", done)

    def forget_done(self, shard):
        """Removes what was kept of a shard that is to be made anew."""
        (self.folder / "done" / f"{shard}.json").unlink(missing_ok=True)

    def done(self, shard):
        """The dict that `keep_done` kept, or None if the shard is not there."""
        path = self.folder / "done" / f"{shard}.json"
        is_done = path.is_file() and (self.shards / shard).is_file()
        return read_json(path) if is_done else None

    def is_staged(self, key, keys_in_shards=frozenset()):
        """Whether the record of a case is there or already in a shard."""
        has_record = self.record_path(key).is_file() or key in keys_in_shards
        return has_record and self.figures_path(key).is_file()

    def keys_in_shards(self):
        """Keys of all cases that finished shards hold."""
        keys = set()
        for path in (self.folder / "done").glob("*.json"):
            done = self.done(path.stem)
            keys |= set(done["keys"] if done else ())
        return keys


class InUseError(InputError):
    """Another process converts to the same folder."""


def check_start(output_dir, overwrite):
    """Raises InputError unless a conversion to `output_dir` may start or go on.

    Removes the staging folder of a process that was killed after it had published.
    """
    staging = Staging(sibling(output_dir, "partial"))
    if _is_published(staging, output_dir):
        with contextlib.suppress(InUseError), _locked(output_dir, staging.folder):
            if _is_published(staging, output_dir):  # no other process has begun since
                shutil.rmtree(staging.folder, ignore_errors=True)
                remove_old(output_dir)
    check_output_dir(output_dir, overwrite)


def kept_in(output_dir):
    """Folder of an unfinished conversion to `output_dir`, or None."""
    folder = sibling(output_dir, "partial")
    return folder if folder.is_dir() else None


def _is_published(staging, output_dir):
    has_shards = os.path.isdir(staging.shards)
    return os.path.isdir(staging.folder) and not has_shards and is_data_set(output_dir)


@contextlib.contextmanager
def staging_for(output_dir, overwrite=False):
    """Gives the `Staging` of a conversion; its shards become `output_dir` on success.

    After an error or a kill it stays, and the next conversion to the same folder uses
    what it holds.

    Args:
        output_dir: folder to make.
        overwrite: whether to replace a converted data set.

    Yields:
        A `Staging`.

    Raises:
        InputError: if `check_output_dir` refuses the folder, if it cannot be written,
            or while another process converts to it.
    """
    check_start(output_dir, overwrite)
    staging = Staging(sibling(output_dir, "partial"))
    with contextlib.ExitStack() as stack:
        with writing(staging.folder):
            stack.enter_context(_locked(output_dir, staging.folder))
            check_output_dir(output_dir, overwrite)  # another may just have finished
            staging.make()
            for temporary in staging.folder.glob("*/.*"):  # of a killed process
                temporary.unlink(missing_ok=True)
        try:
            yield staging
        except BaseException:
            if not _has_begun(staging):
                shutil.rmtree(staging.folder, ignore_errors=True)
            raise
        with writing(output_dir):
            publish(staging.shards, output_dir)
        shutil.rmtree(staging.folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(output_dir, folder):
    """Keeps other processes out; the system unlocks when this one ends."""
    path = folder / "lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InUseError(
                    f"output_dir={output_dir} is being written by another process",
                    argument="output_dir",
                ) from error
            # The previous process may have removed the file between open and lock.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return


def _has_begun(staging):
    folders = (staging.folder / name for name in ("measured", "cases"))
    return any(any(folder.glob("*.json")) for folder in folders)
