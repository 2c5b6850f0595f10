"""The checksum that TFRecord files have of lengths and of data; no TensorFlow."""

import struct


def masked_bytes(crc32c):
    """A CRC-32C as records have it, turned so that it can itself be part of data.

    See TensorFlow's `core/lib/hash/crc32c.h`.

    Args:
        crc32c: int below 2**32.

    Returns:
        Four bytes.
    """
    rotated = crc32c >> 15 | crc32c << 17
    return struct.pack("<I", rotated + 0xA282EAD8 & 0xFFFFFFFF)
