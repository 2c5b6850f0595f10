"""The notebooks are those of the Python files beside them, executed, and these run."""

import json
import runpy
import shutil

import pytest

from tests.architecture.source_tree import REPOSITORY
from tests.commands import run_module

_FOLDER = REPOSITORY / "docs" / "notebooks"
_NAMES = ["hippocampus", "reverse_process"]

pytestmark = pytest.mark.skipif(
    not _FOLDER.is_dir(), reason="Bazel builds no documents"
)


@pytest.mark.parametrize("name", _NAMES)
def test_the_notebook_is_that_of_its_source_and_executed(name):
    path = _FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 1_000_000
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = path.with_suffix(".py").read_text(encoding="utf-8")
    cells = list(runpy.run_path(str(_FOLDER / "make.py"))["cells"](source))
    assert [(c["cell_type"], "".join(c["source"])) for c in found] == cells, (
        "run `python docs/notebooks/make.py`"
    )
    code = [cell for cell in found if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert any("image/png" in o.get("data", {}) for o in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMES)
def test_the_source_runs(name, tmp_path):
    pytest.importorskip("IPython", reason="IPython is missing: pip install '.[docs]'")
    shutil.copytree(REPOSITORY / "docs" / "scans", tmp_path / "scans")
    (tmp_path / "notebooks").mkdir()
    done = run_module(
        f"docs.notebooks.{name}",
        environment={"MPLBACKEND": "Agg"},
        folder=tmp_path / "notebooks",
    )
    assert done.returncode == 0, done.stdout + done.stderr
