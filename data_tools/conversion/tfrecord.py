"""Writes a TFRecord file of one record, a piece at a time.

A record is the length of its data (8 bytes, little-endian), a checksum of the length,
the data and its checksum; see TensorFlow's `core/lib/io/record_writer.h`. TensorFlow's
own writer takes the data as one string, so it would copy every volume. Here, a piece is
summed and written while it is in the processor's cache.
"""

import struct

import google_crc32c

from tf_diffseg.data.gzip_member import write_member
from tf_diffseg.data.record_checksum import masked_bytes
from tf_diffseg.whole_files import whole_file

_CHUNK_BYTES = 1 << 16


def write_record(path, parts):
    """Writes a TFRecord file of one record, whose data are the joined `parts`.

    Raises:
        OSError: if it cannot be written.
    """
    length = struct.pack("<Q", sum(map(len, parts)))
    checksum = 0
    with open(path, "wb") as file:
        file.write(length)
        file.write(masked_bytes(google_crc32c.value(length)))
        for part in parts:
            for start in range(0, len(part), _CHUNK_BYTES):
                chunk = bytes(part[start : start + _CHUNK_BYTES])
                checksum = google_crc32c.extend(checksum, chunk)
                file.write(chunk)
        file.write(masked_bytes(checksum))


def write_example(path, parts, compression):
    """Writes a TFRecord file of one Example, whole or not at all.

    Args:
        path: file to write.
        parts: parts of the serialized Example, from `example_schema.example_parts`.
        compression: "GZIP" or "".

    Raises:
        InputError: if it cannot be written.
    """
    with whole_file(path) as temporary:
        write_record(temporary, parts)
        if not compression:
            return
        with (
            whole_file(temporary) as compressed,
            open(temporary, "rb") as source,
            open(compressed, "wb") as target,
        ):
            write_member(source, target)
