"""The code in docs/extending.md works in a copy of the library."""

import pathlib
import re
import shutil

import pytest

from tests.commands import run_module

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PAGE = _ROOT / "docs" / "extending.md"
_CODE = ("tf_diffseg", "data_tools", "experiments", "tests")
# All tests of the folders in which the page adds something.
_OF_FOLDERS = (
    *("data", "data_tools/conversion", "data_tools/datasets", "diffusion"),
    *("evaluation", "losses", "metrics", "reports", "runs", "training", "volumes"),
)

_BLOCK = re.compile(
    r"(?P<place>New file|In|and) (?P<what>[^\n]*):\n\n```\w+\n(?P<code>.*?)```",
    re.DOTALL,
)
_QUOTED = re.compile(r"`([^`]+)`")


def _apply(page, root):
    """Puts the code blocks of a page into their places; returns the paths of tests."""
    path, tests = None, []
    for block in _BLOCK.finditer(page):
        names, code = _QUOTED.findall(block["what"]), block["code"]
        if block["place"] == "New file":
            path = root / names[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
            tests += [names[0]] if path.name.endswith("_test.py") else []
            continue
        if block["place"] == "In":
            path = root / names.pop(0)
        _insert(path, code, names[0], is_above=" above `" in f" {block['what']}")
    return tests


def _insert(path, code, anchor, is_above):
    lines = path.read_text().splitlines(keepends=True)
    places = [i for i, line in enumerate(lines) if line.startswith(anchor)]
    assert places, f"{path.name} has no line that starts with {anchor!r}"
    place = places[0] if is_above else places[0] + 1
    path.write_text("".join([*lines[:place], code, *lines[place:]]))


@pytest.fixture
def copy(tmp_path):
    """A copy of the library and its tests."""
    unneeded = shutil.ignore_patterns("__pycache__")
    for name in _CODE:
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=unneeded)
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _run_tests(copy, *names):
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", copy, "-m", "not slow"]
    # The fork imports the project from the copy, and what it already has from here.
    options += ["-o", f"pythonpath={copy}", "-c", copy / "pyproject.toml"]
    done = run_module("pytest", *options, *names, folder=copy)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


@pytest.mark.skipif(not _PAGE.is_file(), reason="Bazel builds no documents")
def test_the_code_of_the_page_works(copy):
    tests = _apply(_PAGE.read_text(encoding="utf-8"), copy)
    assert len(tests) == 7
    _run_tests(copy, *tests)


@pytest.mark.slow
@pytest.mark.skipif(not _PAGE.is_file(), reason="Bazel builds no documents")
def test_the_code_of_the_page_breaks_nothing(copy):
    _apply(_PAGE.read_text(encoding="utf-8"), copy)
    _run_tests(copy, *(f"tests/{folder}" for folder in _OF_FOLDERS))
