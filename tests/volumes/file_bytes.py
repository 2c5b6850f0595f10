"""Reads and changes the bytes of a volume file, whether it is compressed or not."""

import gzip

import numpy as np


def read_bytes(path):
    """Reads the decompressed bytes of a file."""
    content = path.read_bytes()
    return gzip.decompress(content) if _is_compressed(path) else content


def write_bytes(path, content):
    """Writes bytes, compressed if the file's ending says so."""
    path.write_bytes(gzip.compress(content) if _is_compressed(path) else content)


def replace_bytes(path, offset, dtype, values):
    """Replaces bytes of a file by numbers of a type."""
    content = bytearray(read_bytes(path))
    replacement = np.asarray(values, dtype).tobytes()
    content[offset : offset + len(replacement)] = replacement
    write_bytes(path, bytes(content))


def _is_compressed(path):
    return path.suffix in (".gz", ".mgz")
