"""Joins the records of cases to shards."""

import concurrent.futures
import dataclasses
import hashlib
import itertools

from tf_diffseg.data.example_schema import shard_file_name
from tf_diffseg.whole_files import whole_file

_CHUNK_BYTES = 1 << 17


def shards_of(dataset_name, split, uids, num_shards):
    """Divides the cases of a split among `num_shards` files, at most one per case.

    Returns:
        List of pairs of a file name and the uids of its cases, in order.
    """
    count = min(num_shards, len(uids))
    bounds = [len(uids) * index // count for index in range(count + 1)]
    return [
        (shard_file_name(dataset_name, split, index, count), uids[start:stop])
        for index, (start, stop) in enumerate(itertools.pairwise(bounds))
    ]


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """A shard to make.

    Attributes:
        file_name: name of the shard.
        keys: keys of its cases, in order.
        staging: `staging.Staging`.
    """

    file_name: str
    keys: list[str]
    staging: object


def assemble_shard(task):
    """Makes the shard of a `ShardTask`, and removes the records of its cases.

    TFRecord files, gzipped ones too, can be joined byte by byte.

    Raises:
        InputError: if the shard cannot be written.
    """
    staging, shard, keys = task.staging, task.file_name, task.keys
    paths = [staging.record_path(key) for key in keys]
    # A note of a shard of this name from another run would vouch for the new one.
    staging.forget_done(shard)
    # Hashing takes as long as writing, and both release Python's lock.
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        digest = thread.submit(_sha256, paths)
        with (
            whole_file(staging.shards / shard) as temporary,
            open(temporary, "wb") as joined,
        ):
            for chunk in _chunks(paths):
                joined.write(chunk)
    # Noted before the records go: without the note, the shard is made again from them.
    done = {"keys": keys, "sha256": digest.result()}
    staging.keep_done(shard, done)
    for path in paths:
        path.unlink(missing_ok=True)


def _chunks(paths):
    """Yields the content of files; each piece is valid until the next one."""
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
