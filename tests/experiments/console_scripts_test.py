"""The commands that a wheel installs run what `python -m` runs."""

import ast
import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import absl
import pytest

from tests.architecture import source_tree

_ROOT = source_tree.REPOSITORY
_NAMES = (
    "ablation",
    "auto",
    "benchmark",
    "compare",
    "convert",
    "evaluate",
    "export",
    "inspect",
    "phantom",
    "reproduce",
    "segment",
    "train",
    "verify",
)


def _entry_points():
    """Those of setup.py, as setuptools reads them."""
    tree = ast.parse((_ROOT / "setup.py").read_text(encoding="utf-8"))
    (found,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "entry_points"
    )
    lines = (line.partition("=") for line in found["console_scripts"])
    return [
        importlib.metadata.EntryPoint(name.strip(), value.strip(), "console_scripts")
        for name, _, value in lines
    ]


def test_every_command_has_its_name():
    names = {f"tf-diffseg-{name}" for name in _NAMES}
    assert {entry.name for entry in _entry_points()} == names


@pytest.mark.parametrize("entry", _entry_points(), ids=lambda entry: entry.name)
def test_an_entry_point_runs_a_module_that_is_there(entry):
    (module,) = entry.load().args
    assert importlib.util.find_spec(module).origin.endswith(".py")


def test_help_tells_the_flags_of_the_command():
    """They are those of the main module, which an installed command is not."""
    code = "from experiments.console_scripts import inspect; inspect()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=_ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert "--data_dir" in done.stdout, done.stderr
    assert "python -m data_tools.inspect_shards" in done.stdout


@pytest.mark.slow
def test_a_wheel_installs_the_commands(tmp_path):
    pytest.importorskip("wheel")  # Of setuptools itself since 70.1.
    source, environment = tmp_path / "source", tmp_path / "environment"
    for name in ("tf_diffseg", "data_tools", "experiments"):
        shutil.copytree(_ROOT / name, source / name)
    for name in ("setup.py", "LICENSE"):
        shutil.copy(_ROOT / name, source)
    build = ("-m", "pip", "--quiet", "--no-input", "wheel", "--no-deps")
    _run(sys.executable, *build, "--no-build-isolation", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("tf_diffseg-*.whl")
    _run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    _run(python, "-m", "pip", "--quiet", "--no-input", "install", "--no-deps", wheel)
    # Libraries are those of this Python.
    (packages,) = environment.glob("lib/python*/site-packages")
    libraries = pathlib.Path(absl.__file__).parents[1]
    (packages / "libraries.pth").write_text(f"{libraries}\n")
    for name in _NAMES:
        command = environment / "bin" / f"tf-diffseg-{name}"
        printed = _run(command, "--helpfull", code=1)
        assert f"{packages}/" in printed and "traceback" not in printed.lower()


def _run(*command, code=0):
    """Output of a command, of which nothing around it tells where modules lie."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, encoding="utf-8", env=environment
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
