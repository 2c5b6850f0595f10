"""The peak memory of this process."""

import contextlib
import resource
import sys


def peak_bytes():
    """Peak of the resident set since the process began or since `reset_peak`.

    Linux's own count is preferred: getrusage begins with the peak of the process that
    started this one.
    """
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def reset_peak():
    """Lets `peak_bytes` begin anew from the memory held now; only on Linux."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
