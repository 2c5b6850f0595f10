"""The programs as users call them, without TensorFlow being loaded for each anew.

Most of what a small command takes is loading TensorFlow. So one process loads it,
starts nothing of it, and is forked for every command: what then runs is what
`python -m MODULE` runs, in a process of its own.
"""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import forkserver

from absl import app

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Of other packages alone: our own modules say for themselves what they load.
_LOADED = ["tensorflow", "keras", "nibabel", "scipy.ndimage", "matplotlib.figure"]


def run_module(module, *arguments, environment=None):
    """Runs `python -m module *arguments` to its end.

    Args:
        module: its dotted name.
        *arguments: of anything that `str` makes the text of.
        environment: dict of variables that are set beside those of this process.

    Returns:
        `subprocess.CompletedProcess` with exit code and output as text.
    """
    arguments = list(map(str, arguments))
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths} | (environment or {})
    if sys.platform != "linux":  # Forks elsewhere are not to be relied on.
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("stdout", "stderr")]
        process = _forks().Process(
            target=_run_here, args=(module, arguments, dict(environment), files)
        )
        process.start()
        process.join()
        output = [pathlib.Path(file).read_text(encoding="utf-8") for file in files]
    command = [module, *arguments]
    return subprocess.CompletedProcess(command, process.exitcode, *output)


def _forks():
    """The context of processes that are forked from one with TensorFlow."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    before = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    # What commands set themselves, and TensorFlow reads as it is loaded.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]
        if before is not None:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = before
    return context


def _run_here(module, arguments, environment, files):
    """What the new process does."""
    for stream, file in zip((sys.stdout, sys.stderr), files, strict=True):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, stream.fileno())
        os.close(opened)
        stream.reconfigure(encoding="utf-8")
    # TensorFlow's: it would look for devices where a command ends before it needs any.
    app._init_callbacks.clear()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
