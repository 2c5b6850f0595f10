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

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import hashlib
import json
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
from data_tools.conversion.tfrecord import write_record
from tf_diffseg.data.gzip_member import write_member
from tf_diffseg.errors import InputError
from tf_diffseg.whole_files import whole_file, writing

_CHUNK_BYTES = 1 << 17


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

    def measures_path(self, key):
        """JSON file of what a case was measured to be before it was converted."""
        return self.folder / "measured" / f"{key}.json"

    def figures_path(self, key):
        """JSON file of a case's figures."""
        return self.folder / "cases" / f"{key}.json"

    def record_path(self, key):
        """TFRecord file of that case alone."""
        return self.folder / "cases" / f"{key}.tfrecord"

    def done_path(self, shard):
        """JSON file that says what a finished shard holds."""
        return self.folder / "done" / f"{shard}.json"

    def figures(self, key):
        """Figures of a case as `write_json` got them, or None."""
        return read_json(self.figures_path(key))

    def done(self, shard):
        """`{"keys": [...], "sha256": ...}` of a shard that is whole, or None."""
        has_shard = (self.shards / shard).is_file()
        return read_json(self.done_path(shard)) if has_shard else None

    def is_staged(self, key, keys_in_shards=frozenset()):
        """Whether a case is converted, to a record or already into a shard."""
        has_record = self.record_path(key).is_file() or key in keys_in_shards
        return has_record and self.figures_path(key).is_file()

    def keys_in_shards(self):
        """Keys of all cases that finished shards hold."""
        names = [path.stem for path in (self.folder / "done").glob("*.json")]
        return {
            key for name in names for key in (self.done(name) or {"keys": []})["keys"]
        }


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
                    f"--output_dir={output_dir} is being written by another process"
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


def write_json(path, value):
    """Writes JSON, whole or not at all; raises InputError if it cannot."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")


def read_json(path):
    """What `write_json` wrote, or None without such a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _compress(path):
    """Replaces a file by a gzip member with its content."""
    with (
        whole_file(path) as compressed,
        open(path, "rb") as source,
        open(compressed, "wb") as target,
    ):
        write_member(source, target)


def write_example(path, parts, compression):
    """Writes a TFRecord file of one Example, whole or not at all.

    Args:
        path: to write.
        parts: of the serialized Example, from `example_schema.example_parts`.
        compression: "GZIP" or "".

    Raises:
        InputError: if it cannot be written.
    """
    with whole_file(path) as temporary:
        write_record(temporary, parts)
        if compression:
            _compress(temporary)


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to make.

    Attributes:
        file_name: of the shard.
        keys: of its cases, in order.
        staging: `Staging`.
    """

    file_name: str
    keys: list[str]
    staging: Staging


def _chunks(paths):
    """What files hold, one after the other, in pieces that are valid until the next."""
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while num_bytes := file.readinto(buffer):
                yield buffer[:num_bytes]


def _sha256(paths):
    digest = hashlib.sha256()
    for chunk in _chunks(paths):
        digest.update(chunk)
    return digest.hexdigest()


def assemble_shard(task):
    """Joins the records of cases to one shard, and removes them.

    TFRecord files, gzipped ones too, are joined by writing one after the other.

    Args:
        task: `ShardTask`.

    Raises:
        InputError: if it cannot be written.
    """
    staging, shard, keys = task.staging, task.file_name, task.keys
    paths = [staging.record_path(key) for key in keys]
    # Both take as long, and neither holds Python's lock.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        digest = thread.submit(_sha256, paths)
        with (
            whole_file(staging.shards / shard) as temporary,
            open(temporary, "wb") as joined,
        ):
            for chunk in _chunks(paths):
                joined.write(chunk)
    # Before the records go: a shard that is not known to be whole is made again.
    done = {"keys": keys, "sha256": digest.result()}
    write_json(staging.done_path(shard), done)
    for path in paths:
        path.unlink(missing_ok=True)
