"""What an unfinished conversion has done so far, so that it can go on.

Beside the folder OUT that is to be made lies `.OUT.partial`:

    measured/KEY.json                    a case's figures, for choosing by them
    cases/KEY.json, cases/KEY.tfrecord   its figures and its record
    shards/                              what becomes OUT, by one rename
    done/SHARD.json                      which cases a shard holds, and its checksum

A KEY is a digest of all that decides what comes of a case, its files included, so
that what lies under it is right, whoever wrote it and when. Every file is written
under another name and then renamed: it is there whole or not at all, even if the
process is killed.
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
from tf_diffseg.text import read_json_value
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
        """Folder where what runs the tasks may keep files of its own."""
        return self.folder / "results"

    def make(self):
        """Makes the folders that are missing."""
        for name in ("measured", "cases", "shards", "done", "results"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def record_path(self, key):
        """TFRecord file of a case alone."""
        return self.folder / "cases" / f"{key}.tfrecord"

    def keep_measures(self, key, measures):
        """Keeps what a case was measured to be before it was converted, JSON-able."""
        write_json(self._measures_path(key), measures)

    def measures(self, key):
        """What `keep_measures` kept of a case, or None."""
        return _read(self._measures_path(key))

    def keep_figures(self, key, figures):
        """Keeps the figures, JSON-able, of a case whose record is whole."""
        write_json(self._figures_path(key), figures)

    def figures(self, key):
        """What `keep_figures` kept of a case, or None."""
        return _read(self._figures_path(key))

    def keep_done(self, shard, done):
        """Keeps `{"keys": [...], "sha256": ...}` of a shard that is whole."""
        write_json(self.folder / "done" / f"{shard}.json", done)

    def done(self, shard):
        """What `keep_done` kept of a shard, or None where that is gone."""
        has_shard = (self.shards / shard).is_file()
        return _read(self.folder / "done" / f"{shard}.json") if has_shard else None

    def is_measured(self, key):
        """Whether a case is measured."""
        return self._measures_path(key).is_file()

    def is_staged(self, key, keys_in_shards=frozenset()):
        """Whether a case is converted, to a record or already into a shard."""
        has_record = self.record_path(key).is_file() or key in keys_in_shards
        return has_record and self._figures_path(key).is_file()

    def keys_in_shards(self):
        """Keys of all cases that finished shards hold."""
        names = [path.stem for path in (self.folder / "done").glob("*.json")]
        return {
            key for name in names for key in (self.done(name) or {"keys": []})["keys"]
        }

    def _measures_path(self, key):
        return self.folder / "measured" / f"{key}.json"

    def _figures_path(self, key):
        return self.folder / "cases" / f"{key}.json"


def _read(path):
    return read_json_value(path) if path.is_file() else None


class InUseError(InputError):
    """Another process converts to the same folder."""


def check_start(output_dir, overwrite):
    """Raises InputError unless a conversion to `output_dir` may start or go on.

    Removes what a process left that was killed when all was done but tidying up.
    """
    staging = Staging(sibling(output_dir, "partial"))
    if _is_published(staging, output_dir):
        with contextlib.suppress(InUseError), _locked(output_dir, staging.folder):
            if _is_published(staging, output_dir):  # still: nobody has begun another
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

    On an error it stays, as it does when the process is killed, and the next
    conversion to the same folder uses what is in it.

    Args:
        output_dir: folder to make.
        overwrite: whether to replace a converted data set.

    Yields:
        A `Staging`.

    Raises:
        InputError: as `check_output_dir`, if the place cannot be written, or while
            another process converts to it.
    """
    check_start(output_dir, overwrite)
    staging = Staging(sibling(output_dir, "partial"))
    with contextlib.ExitStack() as stack:
        with writing(staging.folder):
            stack.enter_context(_locked(output_dir, staging.folder))
            check_output_dir(output_dir, overwrite)  # another may have just finished
            staging.make()
            _remove_temporary(staging.folder)
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
    """Keeps other processes out; the system lets go when this one ends."""
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
            # The one before may have removed the file between open and lock.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return


def _has_begun(staging):
    return any(any(staging.folder.glob(f"{n}/*.json")) for n in ("measured", "cases"))


def _remove_temporary(folder):
    for path in folder.glob("*/.*"):
        path.unlink(missing_ok=True)
