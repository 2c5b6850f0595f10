"""The checksum in TFRecord files. Loads no TensorFlow."""

import struct


def masked_bytes(crc32c):
    """Masks a CRC-32C, an int below 2**32, as records have it; returns four bytes.

    See TensorFlow's `core/lib/hash/crc32c.h`.
    """
    rotated = crc32c >> 15 | crc32c << 17
    return struct.pack("<I", rotated + 0xA282EAD8 & 0xFFFFFFFF)
