"""What this machine has: free memory, and fast bfloat16."""

import contextlib
import pathlib
import resource

_CGROUP = pathlib.Path("/sys/fs/cgroup")
_CPU = pathlib.Path("/proc/cpuinfo")
# As Linux names them: Intel's matrices, and vectors of Intel and AMD.
_FOR_BFLOAT16 = ("amx_bf16", "avx512_bf16")


def free_gib():
    """Memory for this process, with what it holds already, in GiB; None if not known.

    The limit of a container counts beside the memory of the machine.
    """
    free = _meminfo_bytes("MemAvailable")
    limit = _cgroup_free_bytes()
    known = [value for value in (free, limit) if value is not None]
    return (min(known) + _held_bytes()) / 2**30 if known else None


def bfloat16_instructions():
    """Instructions of the CPU for products of bfloat16 numbers, or an empty text."""
    with contextlib.suppress(OSError):
        flags = _CPU.read_text().split()
        return next((name for name in _FOR_BFLOAT16 if name in flags), "")
    return ""


def _held_bytes():
    with contextlib.suppress(OSError):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return 0


def _meminfo_bytes(name):
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return None


def _cgroup_free_bytes():
    with contextlib.suppress(OSError, ValueError):
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        # Cached files can be given up.
        statistics = (_CGROUP / "memory.stat").read_text().split()
        cached = int(statistics[statistics.index("inactive_file") + 1])
        return limit - used + cached
    return None
