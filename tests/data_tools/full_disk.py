"""Simulates a full disk without mounting one."""

import contextlib
import resource
import sys


@contextlib.contextmanager
def largest_file(size):
    """Makes files that grow beyond `size` bytes fail; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python would leave half of the compiled modules that are imported meanwhile.
    writes_bytecode = not sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = not writes_bytecode
