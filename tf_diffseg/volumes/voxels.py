"""Counts the values of voxels, and makes a digest of them."""

import hashlib

import numpy as np

# Voxels counted at a time.
_CHUNK = 1 << 18
# Largest number of entries of a table of all values between the extremes.
LARGEST_TABLE = 1 << 20


def distinct_values(array):
    """Lists the values of an array of int32 or a smaller type, sorted."""
    low, high = int(array.min()), int(array.max())
    if high - low >= LARGEST_TABLE:
        return np.unique(array).tolist()
    counts = count_values(array - np.int32(low), high - low + 1)
    return (low + np.flatnonzero(counts)).tolist()


def count_values(array, length):
    """Counts the voxels of each value in [0, length) of an integer array."""
    # In chunks, because np.bincount converts its argument to int64.
    counts = np.zeros(length, np.int64)
    values = np.ravel(array)
    for start in range(0, values.size, _CHUNK):
        counts += np.bincount(values[start : start + _CHUNK], minlength=length)
    return counts


def voxel_digest(arrays, dtype):
    """Makes a digest of voxels as `dtype`, whatever type their files have."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype))
    return digest.hexdigest()
