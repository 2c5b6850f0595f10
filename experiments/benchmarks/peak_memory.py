"""The most memory that this process has held."""

import contextlib
import resource
import sys


def peak_bytes():
    """Peak of the resident set, since the process began or `reset_peak`.

    From Linux's own count where there is one: what getrusage says begins with the
    peak of the process that started this one.
    """
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def reset_peak():
    """Lets `peak_bytes` begin anew, from what is held now; on Linux alone."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
