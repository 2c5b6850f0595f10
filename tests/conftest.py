"""Fixtures that several test packages share."""

import gc
import json
import pathlib

import pytest

_SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="module", autouse=True)
def _no_graphs_of_other_modules():
    """Frees the networks of a module's tests with the module.

    TensorFlow frees a graph slower the more there are: left to Python, which collects
    the more rarely the more it holds, it took a minute at a time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def hippocampus_dir():
    """Folder of the real Task04_Hippocampus volumes; skips if it is absent."""
    path = _SHARED / "data" / "Task04_Hippocampus"
    if not path.is_dir():
        pytest.skip(f"no Hippocampus volumes at {path}")
    return path


@pytest.fixture(scope="session")
def cases_dir():
    """Folder of small inputs, some made of real scans; skips if it is absent."""
    path = _SHARED / "cases"
    if not path.is_dir():
        pytest.skip(f"no cases at {path}")
    return path


@pytest.fixture(scope="session")
def golden_diffusion():
    """Reference values of the diffusion formulas; skips if they are absent."""
    path = _SHARED / "golden" / "diffusion.json"
    if not path.is_file():
        pytest.skip(f"no reference values at {path}")
    return json.loads(path.read_text())
