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
import nibabel as nib
import pytest

from tests.architecture import source_tree
from tf_diffseg.shipped_models import model_names

_ROOT = source_tree.REPOSITORY
_NAMES = (
    "ablation",
    "auto",
    "benchmark",
    "client",
    "compare",
    "compare-runs",
    "compare-windows",
    "convert",
    "convert-beam",
    "cross-validate",
    "demo",
    "draw",
    "evaluate",
    "export",
    "inspect",
    "phantom",
    "preview",
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


def test_every_command_has_a_script():
    """All but parts of `experiments.benchmark`."""
    others = ("tests/", "experiments/benchmarks/")
    commands = [
        module.name
        for module in source_tree.repository().modules.values()
        if module.has_main and not module.path.startswith(others)
    ]
    assert [e.name for e in _entry_points()] == [f"tf-diffseg-{n}" for n in _NAMES]
    scripts = [entry.load().args[0] for entry in _entry_points()]
    assert sorted(scripts) == sorted(commands)


@pytest.mark.skipif(not (_ROOT / "docs").exists(), reason="Bazel has no documents")
def test_the_guide_has_the_names():
    guide = (_ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    for entry in _entry_points():
        assert f"| `{entry.name}` | `python -m {entry.load().args[0]}` |\n" in guide


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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder of an environment in which the wheel is installed, and nothing else.

    Its libraries are those of this Python.
    """
    pytest.importorskip("wheel")  # Of setuptools itself since 70.1.
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "environment"
    for name in ("tf_diffseg", "data_tools", "experiments"):
        shutil.copytree(_ROOT / name, source / name)
    for name in ("setup.py", "LICENSE", "NOTICE"):
        shutil.copy(_ROOT / name, source)
    build = ("-m", "pip", "--quiet", "--no-input", "wheel", "--no-deps")
    _run(sys.executable, *build, "--no-build-isolation", "-w", folder, source)
    (wheel,) = folder.glob("tf_diffseg-*.whl")
    _run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    _run(python, "-m", "pip", "--quiet", "--no-input", "install", "--no-deps", wheel)
    libraries = pathlib.Path(absl.__file__).parents[1]
    (_packages(environment) / "libraries.pth").write_text(f"{libraries}\n")
    return environment


def _packages(environment):
    (folder,) = environment.glob("lib/python*/site-packages")
    return folder


@pytest.mark.slow
def test_a_wheel_installs_the_commands(installed):
    packages = _packages(installed)
    for name in _NAMES:
        command = installed / "bin" / f"tf-diffseg-{name}"
        printed = _run(command, "--helpfull", code=1)
        assert f"{packages}/" in printed and "traceback" not in printed.lower()


@pytest.mark.slow
def test_a_wheel_holds_licenses_types_and_models(installed):
    packages = _packages(installed)
    (about,) = packages.glob("tf_diffseg-*.dist-info")
    licenses = {path.name for path in about.rglob("*LICENSE*")}
    assert licenses >= {"LICENSE", "LICENSE.niivue"}
    (notice,) = about.rglob("NOTICE")
    assert "CC BY-SA 4.0" in notice.read_text(encoding="utf-8")
    assert (packages / "tf_diffseg" / "py.typed").is_file()
    code = "import tf_diffseg; print(*tf_diffseg.presets())"
    names = _run(installed / "bin" / "python", "-c", code, cwd=installed).split()
    assert names == model_names()


@pytest.mark.slow
def test_an_installed_wheel_runs_the_commands_of_the_demo(installed, tmp_path):
    def command(name, **flags):
        words = [f"--{flag}={value}" for flag, value in flags.items()]
        return _run(installed / "bin" / f"tf-diffseg-{name}", *words, cwd=tmp_path)

    command("phantom", output_dir="phantom", num_cases=4)
    command("verify", dataset_json="phantom/dataset.json")
    command(
        "convert",
        dataset_json="phantom/dataset.json",
        output_dir="shards",
        split="train=0.5,test=0.5",
        spacing_mm="4,4,4",
        volume_shape="16,16,16",
        num_workers=1,
    )
    command("inspect", data_dir="shards")
    run = {"data_dir": "shards", "model_dir": "run"}
    command("train", config="demo", epochs=1, patch_shape="16,16,16", **run)
    printed = command("evaluate", **run, split="test", output_dir="results")
    assert "results/report.html" in printed
    command("export", model_dir="run", export_dir="export", server_files=False)
    (scan, *_) = sorted((tmp_path / "phantom" / "imagesTr").glob("*.nii.gz"))
    for model in ("run", "export/1", *model_names()):
        label = tmp_path / "label.nii.gz"
        command("segment", model=model, input=scan, output=label)
        assert nib.load(label).shape == nib.load(scan).shape
        label.unlink()


def _run(*command, code=0, cwd=None):
    """Output of a command, of which nothing around it tells where modules lie."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=cwd,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
