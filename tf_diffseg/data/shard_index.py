"""Finds the place of each case in the shards, so that any case can be read alone.

A TFRecord file is a row of records. A record is the length of its data (8 bytes,
little-endian), a checksum of the length (4 bytes), the data and its checksum (4 bytes);
see TensorFlow's `core/lib/io/record_writer.h`. Lengths alone lead from record to
record, in compressed shards too: see `gzip_member`.
"""

import dataclasses

import google_crc32c
import numpy as np
import tensorflow as tf

from tf_diffseg.data.gzip_member import HEADER_BYTES, member_bytes
from tf_diffseg.data.record_checksum import masked_bytes
from tf_diffseg.data.some_cases import SomeCases

BEFORE_DATA, AFTER_DATA = 12, 4
VERIFY = "see `python -m data_tools.inspect_shards --verify`"


class ShardError(ValueError):
    """A shard is missing, truncated, damaged or holds other data than expected."""


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """The places of all records of some shards, in order.

    Attributes:
        paths: paths of the shards.
        shard: int64 [n], index of the record's shard in `paths`.
        number: int64 [n], number of the record in its shard, from 0.
        offset: int64 [n], first byte of the record in its shard.
        num_bytes: int64 [n], length of the record on disk.
        is_gzip: int64 [n], 1 if the record is a `gzip_member`, else 0.
    """

    paths: tuple[str, ...]
    shard: np.ndarray
    number: np.ndarray
    offset: np.ndarray
    num_bytes: np.ndarray
    is_gzip: np.ndarray

    def __len__(self):
        return len(self.shard)


def index_shards(shard_paths):
    """Finds the records of TFRecord files without reading their data.

    Args:
        shard_paths: paths in any file system that TensorFlow knows, or `SomeCases`.

    Returns:
        A `ShardIndex`, for `SomeCases` only of these.

    Raises:
        ShardError: a shard is missing, ends within a record, or has a length that does
            not fit its checksum; only some of the shards are compressed; or they do not
            hold some of the cases.
    """
    paths = tuple(str(path) for path in shard_paths)
    rows = [
        (shard, number, *place)
        for shard, path in enumerate(paths)
        for number, place in enumerate(_records(path))
    ]
    index = ShardIndex(paths, *np.array(rows, np.int64).reshape(-1, 5).T)
    other = np.flatnonzero(index.is_gzip != index.is_gzip[:1])
    if other.size:
        raise ShardError(
            f"shard {paths[index.shard[other[0]]]} and {paths[index.shard[0]]} are not "
            f"of one data set: only one of them is compressed; {VERIFY}"
        )
    return _chosen(index, shard_paths)


def _chosen(index, shard_paths):
    """The rows of an index that `SomeCases` name; all rows if there are only paths."""
    if not isinstance(shard_paths, SomeCases):
        return index
    numbers = np.array(shard_paths.numbers, np.int64)
    if numbers.max(initial=-1) >= len(index):
        raise ShardError(
            f"the shards {', '.join(index.paths)} hold {len(index)} cases, expected "
            f"more than {numbers.max()}; {VERIFY}"
        )
    columns = [field.name for field in dataclasses.fields(index)][1:]
    return dataclasses.replace(
        index, **{name: getattr(index, name)[numbers] for name in columns}
    )


def _records(path):
    """Yields (first byte, bytes, whether it is gzip) of each record of a file."""
    try:
        size = tf.io.gfile.stat(path).length
    except tf.errors.OpError as error:
        raise ShardError(f"shard {path} cannot be read: {error.message}") from error
    with tf.io.gfile.GFile(path, "rb") as file:
        offset = number = 0
        while offset < size:
            file.seek(offset)
            header = file.read(HEADER_BYTES)
            compressed_bytes = member_bytes(header)
            if compressed_bytes is not None:
                end = offset + max(compressed_bytes, HEADER_BYTES)
            else:
                end = _end_of_plain_record(header, offset, size, path, number)
            if end > size:
                raise ShardError(
                    f"shard {path} is truncated or damaged in record {number}: it "
                    f"begins at byte {offset} and the file ends within it, at byte "
                    f"{size}; {VERIFY}"
                )
            yield offset, end - offset, compressed_bytes is not None
            offset, number = end, number + 1


def _end_of_plain_record(header, offset, size, path, number):
    """Returns the end of a record; more than `size` if its first bytes are cut."""
    if len(header) < BEFORE_DATA:
        return size + 1
    length, checksum = header[:8], header[8:BEFORE_DATA]
    if checksum != masked_bytes(google_crc32c.value(length)):
        raise ShardError(
            f"shard {path} is damaged in record {number}: no record begins at byte "
            f"{offset}; {VERIFY}"
        )
    return offset + BEFORE_DATA + int.from_bytes(length, "little") + AFTER_DATA
