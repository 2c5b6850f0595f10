"""Writes and finds records of a compressed shard that can be read alone.

A gzip file may be a row of members (RFC 1952), each compressed alone; every reader
takes them for one stream. A compressed shard has one member for each record. An extra
field `TD` of its header holds its length on disk, so that any record is found without
decompressing another.
"""

import struct
import zlib

# Magic, deflate and a flag of an extra field; no time; no level and no system; the
# length of the extra field, its name, the length of its content; the member's length.
_HEADER = struct.Struct("<4s4s2sH2sHQ")
_FIXED = (b"\x1f\x8b\x08\x04", b"\0" * 4, b"\0\xff", 12, b"TD", 8)
HEADER_BYTES = _HEADER.size
_CHUNK_BYTES = 1 << 20


def write_member(source, target):
    """Compresses an open binary file, read to its end, to an empty one."""
    target.write(_HEADER.pack(*_FIXED, 0))
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = size = 0
    while chunk := source.read(_CHUNK_BYTES):
        checksum, size = zlib.crc32(chunk, checksum), size + len(chunk)
        target.write(compressor.compress(chunk))
    target.write(compressor.flush())
    target.write(struct.pack("<II", checksum, size & 0xFFFFFFFF))
    num_bytes = target.tell()
    target.seek(0)
    target.write(_HEADER.pack(*_FIXED, num_bytes))


def member_bytes(header):
    """Returns the length on disk of the member that begins with `header`.

    It is None if the `HEADER_BYTES` bytes of `header` are not such a header.
    """
    if len(header) < HEADER_BYTES:
        return None
    *fixed, num_bytes = _HEADER.unpack(header[:HEADER_BYTES])
    return num_bytes if tuple(fixed) == _FIXED else None
