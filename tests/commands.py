"""The programs as users call them, without each of them loading TensorFlow.

Most of what a small command takes is loading TensorFlow. So one process loads it,
starts nothing of it, and is forked for every command: what then runs is what
`python -m MODULE` runs, in a process of its own.
"""

import contextlib
import multiprocessing
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import forkserver

from absl import app

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Only other packages: our own modules must show by themselves what they load.
_LOADED = ["tensorflow", "keras", "nibabel", "scipy.ndimage", "matplotlib.figure"]


def run_module(module, *arguments, environment=None, folder=None):
    """Runs `python -m module *arguments` to its end.

    Args:
        module: its dotted name.
        *arguments: objects whose text the module is given.
        environment: dict of variables that are set beside those of this process; None
            as a value takes a variable away.
        folder: folder that it runs in; None for that of the tests.

    Returns:
        `subprocess.CompletedProcess` with exit code and output as text.
    """
    options = {"environment": environment, "folder": folder}
    with started_module(module, *arguments, **options) as started:
        return started.completed()


def without_progress(stderr):
    """What a command printed besides the progress that it tells if it takes long."""
    return re.sub(r"^.* gone, .* left\n", "", stderr, flags=re.MULTILINE)


@contextlib.contextmanager
def started_module(module, *arguments, environment=None, folder=None):
    """Starts `python -m module *arguments`; see `run_module`.

    Yields:
        `_Started`. A process that still runs at the end of the block is killed.
    """
    arguments = list(map(str, arguments))
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths} | (environment or {})
    environment = {name: v for name, v in environment.items() if v is not None}
    folder = folder or os.getcwd()
    with tempfile.TemporaryDirectory() as outputs:
        files = [pathlib.Path(outputs, name) for name in ("stdout", "stderr")]
        for file in files:
            file.touch()
        # Forks are not reliable on other systems.
        start = _start_fork if sys.platform == "linux" else _start_python
        process = start(module, arguments, environment, folder, files)
        started = _Started([module, *arguments], process, files)
        try:
            yield started
        finally:
            started.kill()
            started.wait()


class _Started:
    """A process, `subprocess.Popen` or of `multiprocessing`, that runs a module."""

    def __init__(self, command, process, files):
        self._command = command
        self._process = process
        self._files = files

    def output(self):
        """What it has printed so far: (stdout, stderr)."""
        return tuple(file.read_text(encoding="utf-8") for file in self._files)

    def kill(self):
        """Sends SIGKILL."""
        self._process.kill()

    def wait(self, seconds=None):
        """Waits for its end; returns the exit code, None if it still runs."""
        if isinstance(self._process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode
        self._process.join(seconds)
        return self._process.exitcode

    def completed(self):
        """Waits for its end; returns the `subprocess.CompletedProcess`."""
        return subprocess.CompletedProcess(self._command, self.wait(), *self.output())


def _start_python(module, arguments, environment, folder, files):
    with open(files[0], "w") as stdout, open(files[1], "w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            cwd=folder,
            stdout=stdout,
            stderr=stderr,
        )


def _start_fork(module, arguments, environment, folder, files):
    process = _forks().Process(
        target=_run_here, args=(module, arguments, environment, folder, files)
    )
    process.start()
    return process


def _forks():
    """The context of processes that are forked from one that has loaded TensorFlow."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    before = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    # Commands set it themselves, and TensorFlow reads it while it loads.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        if before is not None:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = before
    return context


def _run_here(module, arguments, environment, folder, files):
    """Runs the module in the new process."""
    for stream, file in zip((sys.stdout, sys.stderr), files, strict=True):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, stream.fileno())
        os.close(opened)
        stream.reconfigure(encoding="utf-8")
    # Those of TensorFlow would look for devices even if the command needs none.
    app._init_callbacks.clear()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
