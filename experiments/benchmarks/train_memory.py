"""The largest cube that trains within a limit of memory, with and without `--remat`.

    python -m experiments.benchmark --suite=train_memory --memory_gib=16

A process of its own runs a recycling step of the default network on each cube. If its
resident memory exceeds the limit, it is killed.
"""

import json
import pathlib
import resource
import subprocess
import time

from tf_diffseg.errors import InputError
from tf_diffseg.module_process import module_command
from tf_diffseg.runs.planning.machine import free_gib

# The default network pads other sizes to a multiple of this.
SIDE_STEP = 8
_FIRST_SIDE = 160
_MIB = 2**20


def run(memory_gib):
    """Finds the largest cube without and with `--remat` for a process of `memory_gib`.

    Raises:
        InputError: the machine does not have that much free memory.
    """
    free = free_gib()
    if free is None or free < memory_gib:
        raise InputError(
            f"--memory_gib={memory_gib:g}: this machine has {free or 0:.1f} GiB free"
        )
    figures = {"memory_gib": memory_gib}
    for name, remat in (("", False), ("remat_", True)):
        side, peak_mib = largest_side(
            lambda side, remat=remat: step_peak_mib(
                [side] * 3, remat, memory_gib * 1024
            )
        )
        figures |= {
            f"{name}largest_cube": "x".join([str(side)] * 3),
            f"{name}peak_memory_mib": peak_mib,
        }
    return figures


def largest_side(peak_of):
    """Largest multiple of `SIDE_STEP` that fits, by doubling and halving.

    Args:
        peak_of: function from a side to a peak in MiB, or to None if it does not fit.

    Returns:
        (side, its peak); (0, 0.0) if not even the smallest fits.
    """
    fits, fails, peak = 0, None, 0.0
    side = _FIRST_SIDE
    while fails is None or fails - fits > SIDE_STEP:
        found = peak_of(side)
        if found is None:
            fails = side
        else:
            fits, peak = side, found
        if fails is None:
            # A cube of twice as many voxels.
            side = fits + SIDE_STEP * max(1, round(0.26 * fits / SIDE_STEP))
        else:
            side = fits + SIDE_STEP * max(1, (fails - fits) // (2 * SIDE_STEP))
    return fits, peak


def step_peak_mib(shape, remat, limit_mib=None):
    """Peak resident memory of a process that runs a step.

    Args:
        shape: (x, y, z) of the volume.
        remat: whether to compute features again for the gradient.
        limit_mib: memory at which the process is killed, in MiB; None for no limit.

    Returns:
        MiB, or None if the process was killed.
    """
    module = "experiments.benchmarks.step_process"
    sides = ",".join(map(str, shape))
    process = subprocess.Popen(
        module_command(module, sides, "remat" if remat else "keep"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    if limit_mib is not None and not _stays_below(process, limit_mib):
        process.kill()
        process.communicate()
        return None
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{module} ended with exit code {process.returncode}")
    peak_mib = json.loads(output.splitlines()[-1])["peak_mb"]
    return peak_mib if limit_mib is None or peak_mib <= limit_mib else None


def _stays_below(process, limit_mib):
    """Waits until a process ends or its memory exceeds the limit."""
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/statm").read_text()
        except FileNotFoundError:
            break
        if int(status.split()[1]) * resource.getpagesize() > limit_mib * _MIB:
            return False
        time.sleep(0.05)
    return True
