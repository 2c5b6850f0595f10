"""Runs pytest on the files given as arguments, as the main of Bazel's py_test."""

import os
import sys

# This comes before pytest looks for its home and matplotlib for its settings.
_ROOT = os.getcwd()
_SCRATCH = os.environ.get("TEST_TMPDIR", "")


def _prepare_environment():
    """Lets tests and their child processes import from the built tree."""
    # Python puts the folder of this file here, so that `tests/data` would be `data`.
    sys.path[0] = _ROOT
    # Bazel's launcher puts the packages into sys.path, but not for child processes.
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, inherited]))
    os.environ.setdefault("HOME", _SCRATCH or _ROOT)
    if _SCRATCH:
        os.environ.setdefault("MPLCONFIGDIR", os.path.join(_SCRATCH, "matplotlib"))


def _arguments():
    arguments = ["-c", "pyproject.toml", "--rootdir", _ROOT, "-p", "no:cacheprovider"]
    # As `make test` does; --test_arg=-m --test_arg=slow runs the others.
    arguments += ["-m", "not slow"]
    if _SCRATCH:
        arguments += ["--basetemp", os.path.join(_SCRATCH, "pytest")]
    if "XML_OUTPUT_FILE" in os.environ:
        arguments += ["--junitxml", os.environ["XML_OUTPUT_FILE"]]
    if os.environ.get("TESTBRIDGE_TEST_ONLY"):  # bazel test --test_filter=NAME
        arguments += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    return arguments + sys.argv[1:]


if __name__ == "__main__":
    _prepare_environment()
    import pytest

    code = pytest.main(_arguments())
    # A file may hold slow tests alone.
    none_is_left = code == pytest.ExitCode.NO_TESTS_COLLECTED
    sys.exit(pytest.ExitCode.OK if none_is_left else code)
