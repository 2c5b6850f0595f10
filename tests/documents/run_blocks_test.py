"""The commands and the Python of the documents run as they are written there."""

import contextlib
import io
import re
import shutil

import pytest

from tests.documents import workspace
from tests.documents.blocks import DOCUMENTS, blocks

pytestmark = pytest.mark.slow
_RUN = [d for d in DOCUMENTS if any(block.is_run for block in blocks(d))]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    workspace.make(folder)
    return folder


@pytest.mark.parametrize("document", _RUN)
def test_the_blocks_run(document, made, tmp_path, monkeypatch):
    folder = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(folder)
    scope, by_python = workspace.names(document), ""
    for block in blocks(document):
        if block.marker == "printed by the block above":
            assert _ends_with(by_python, block.text.splitlines()), by_python
        if not block.is_run:
            continue
        place = f"{document}:{block.line}"
        if block.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                _run_python(block.text, scope)
            by_python = stdout.getvalue()
        for words, printed in block.commands():
            if words[0] == "tensorboard":  # A server, which runs without end.
                continue
            done = workspace.run(folder, words, makes=block.kind == "bash")
            output = done.stdout + done.stderr
            if block.kind == "console":
                assert _ends_with(output, printed), f"{place}: {output}"
            else:
                assert done.returncode == 0, f"{place}: {output}"


def _run_python(text, scope):
    for written, small in workspace.SMALLER_PYTHON.items():
        text = text.replace(written, small)
    if "train(" in text or "restore(" in text:
        shutil.rmtree("RUN", ignore_errors=True)
    exec(text, scope)


def _ends_with(output, printed):
    """Whether the last lines of an output are these, where dots stand for any text."""
    lines = [re.escape(line).replace(r"\.\.\.", ".*") for line in printed if line]
    found = output.rstrip().splitlines()[-len(lines) :]
    return len(found) == len(lines) and all(
        re.fullmatch(line, each) for line, each in zip(lines, found, strict=True)
    )
