"""Shards made of the records of cases."""

import concurrent.futures
import dataclasses
import hashlib
import itertools

from tf_diffseg.data.example_schema import shard_file_name
from tf_diffseg.whole_files import whole_file

_CHUNK_BYTES = 1 << 17


def shards_of(dataset_name, split, uids, num_shards):
    """Divides the cases of a split among shards.

    Args:
        dataset_name: as file names spell it.
        split: name of the split.
        uids: of its cases, in order.
        num_shards: files, never more than there are cases.

    Returns:
        List of pairs of a file name and the uids of its cases.
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
        file_name: of the shard.
        keys: of its cases, in order.
        staging: `staging.Staging`.
    """

    file_name: str
    keys: list[str]
    staging: object


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
    staging.keep_done(shard, done)
    for path in paths:
        path.unlink(missing_ok=True)


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
