"""Commands one after the other, each printed as a user calls it and run as such."""

import ctypes
import shlex
import signal
import subprocess
import sys

from tf_diffseg.module_process import module_command

_PR_SET_PDEATHSIG = 1  # of Linux


def command(module, *arguments, **flag_values):
    """The words after `python -m`; arguments are flags already."""
    named = [f"--{name}={value}" for name, value in flag_values.items()]
    return [module, *arguments, *named]


def line(words):
    """A `command` as a user types it."""
    return f"python -m {shlex.join(words)}"


def run(words):
    """Prints and runs the `command`, and returns its exit code.

    It ends with this process. An interrupt and SIGTERM wait for its end, since a
    training saves what it has.
    """
    print(f"\n$ {line(words)}", flush=True)
    process = subprocess.Popen(module_command(*words), preexec_fn=_end_with_parent)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _end_with_parent():
    """Has Linux kill this process when the one that started it ends in any way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
