"""Kills conversions with SIGKILL at given steps until one finishes.

    python -m tests.data_tools.kill_conversion SOURCE FOLDER STEP,STEP,... STEP,...

Each argument after FOLDER is a run with its own output folder, FOLDER/0 and so on. A
step is a change of the file system: opening to write, renaming, removing or making a
folder. An attempt is a fork, made before TensorFlow has threads, so that many attempts
cost little more than one. STEP counts from the start of its attempt. For each run, this
prints the number of killed attempts and the steps of the last one.
"""

import os
import pathlib
import signal
import sys

from tests.data_tools.in_process import convert_here

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def _attempt(source, output, kill_at, pipe):
    steps = 0

    def watch(event, arguments):
        nonlocal steps
        is_change = event in _CHANGES
        if event == "open" and ".partial" in str(arguments[0]):
            is_change = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if is_change:
            steps += 1
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    convert_here(source, output, num_shards=2, preprocessing={"spacing_mm": "median"})
    os.write(pipe, str(steps).encode())


def _killed_until_done(source, output, kill_at):
    """`(number of killed attempts, steps of the last)`."""
    reading, writing = os.pipe()
    killed = 0
    for step in [*kill_at, 0]:
        child = os.fork()
        if not child:
            try:
                _attempt(source, output, step, writing)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            if os.WEXITSTATUS(status):
                # It was killed after the last step, so the next attempt was refused.
                assert pathlib.Path(output, "manifest.json").is_file()
                os.write(writing, b"0")
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1
    return killed, int(os.read(reading, 20))


def main(source, folder, *runs):
    """Runs the attempts; each run is a text of steps, joined by commas."""
    for number, steps in enumerate(runs):
        kill_at = [int(step) for step in steps.split(",") if step]
        output = pathlib.Path(folder, str(number))
        print(*_killed_until_done(source, output, kill_at), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
