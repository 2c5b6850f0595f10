"""What the voxels of a volume are: their values, how many have each, a digest."""

import hashlib

import numpy as np

# Voxels counted at a time.
_CHUNK = 1 << 18
# A table of the values between the smallest and the largest has no more entries.
LARGEST_TABLE = 1 << 20


def distinct_values(array):
    """Sorted values that occur in an array of int32 or a smaller type."""
    low, high = int(array.min()), int(array.max())
    if high - low >= LARGEST_TABLE:
        return np.unique(array).tolist()
    counts = count_values(array - np.int32(low), high - low + 1)
    return (low + np.flatnonzero(counts)).tolist()


def count_values(array, length):
    """Number of voxels of each value in [0, length) of an integer array."""
    # In pieces: np.bincount makes int64 of all that it is given.
    counts = np.zeros(length, np.int64)
    values = np.ravel(array)
    for start in range(0, values.size, _CHUNK):
        counts += np.bincount(values[start : start + _CHUNK], minlength=length)
    return counts


def voxel_digest(arrays, dtype):
    """Digest of voxels as `dtype`, whatever type their files have."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype))
    return digest.hexdigest()
