"""Simulates a full disk without mounting one."""

import contextlib
import resource


@contextlib.contextmanager
def largest_file(size):
    """Makes files that grow beyond `size` bytes fail; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
