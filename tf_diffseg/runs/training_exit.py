"""The exit codes of commands that train."""

import os

from tf_diffseg.training.interruptions import TrainingStopped, WorkerLost

# EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on.
STOPPED = 75
# EX_PROTOCOL: another worker is gone; all of them started again go on.
WORKER_LOST = 76


def exit_code(function, *arguments):
    """Calls a function that trains; ends the process if another worker is lost.

    Args:
        function: to call, which checks its arguments before it loads TensorFlow.
        *arguments: for it.

    Returns:
        0, or `STOPPED` if SIGTERM came and the run was saved.
    """
    try:
        function(*arguments)
    except TrainingStopped as stopped:
        print(f"{stopped}; the same command goes on from there", flush=True)
        return STOPPED
    except WorkerLost as lost:
        print(f"{lost}; started again, all go on from the last checkpoint", flush=True)
        # An orderly end would wait for the worker that is gone.
        os._exit(WORKER_LOST)
    return 0
