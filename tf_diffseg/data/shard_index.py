"""Where each case lies in the shards, so that any can be read alone.

A TFRecord file is a row of records: the length of the data (8 bytes, little-endian),
a checksum of it (4 bytes), the data and its checksum (4 bytes); see TensorFlow's
`core/lib/io/record_writer.h`. Going from length to length reads 24 bytes a case, as it
does in a compressed shard, see `gzip_member`.
"""

import dataclasses
import struct

import numpy as np
import tensorflow as tf

from tf_diffseg.data.gzip_member import HEADER_BYTES, member_bytes

BEFORE_DATA, AFTER_DATA = 12, 4
VERIFY = "see `python -m data_tools.inspect_shards --verify`"


class ShardError(ValueError):
    """A shard is missing, truncated, damaged or of other data than it should be."""


@dataclasses.dataclass(frozen=True)
class ShardIndex:
    """Places of the records of some shards, in order.

    Attributes:
        paths: of the shards.
        shard: int64 [n], which of `paths`.
        number: int64 [n], of the record in its shard, from 0.
        offset: int64 [n], its first byte there.
        num_bytes: int64 [n], its length on disk.
        is_gzip: int64 [n], 1 where it is a `gzip_member`, else 0.
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
    """Finds the records of TFRecord files, reading none of them.

    Args:
        shard_paths: paths, in any file system that TensorFlow knows.

    Returns:
        A `ShardIndex`.

    Raises:
        ShardError: a shard is missing, or ends within a record.
    """
    paths = tuple(str(path) for path in shard_paths)
    rows = [
        (shard, number, *place)
        for shard, path in enumerate(paths)
        for number, place in enumerate(_records(path))
    ]
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    return ShardIndex(paths, *columns)


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
            end = size + 1
            compressed_bytes = member_bytes(header)
            if compressed_bytes is not None:
                end = offset + max(compressed_bytes, HEADER_BYTES)
            elif len(header) >= BEFORE_DATA:
                (length,) = struct.unpack("<Q", header[:8])
                end = offset + BEFORE_DATA + length + AFTER_DATA
            if end > size:
                raise ShardError(
                    f"shard {path} is truncated or damaged in record {number}: it "
                    f"begins at byte {offset} and the file ends within it, at byte "
                    f"{size}; {VERIFY}"
                )
            yield offset, end - offset, compressed_bytes is not None
            offset, number = end, number + 1
