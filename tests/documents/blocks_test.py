"""Each block of code in the documents is run by a test, or says why it is not."""

import re

import pytest

from tests.architecture.source_tree import REPOSITORY
from tests.documents.blocks import DOCUMENTS, RUN_AS_A_PAGE, blocks, without_blocks

_SHOWN = ("json", "mermaid", "text", "yaml")
_LEVELS = re.compile(r"^\{(toctree|eval-rst)\}$")
# Code by indentation has no kind; lines below an item of a list are no code.
_INDENTED = re.compile(r"^(?![*\d|]| )[^\n]+\n\n {4}\S[^\n]*", re.MULTILINE)

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="Bazel builds no documents")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_block_is_run_or_marked(document):
    assert not _INDENTED.findall(without_blocks(document))
    for block in blocks(document):
        place = f"{document}:{block.line}"
        assert block.is_code or block.kind in _SHOWN or _LEVELS.match(block.kind), place
        if not block.is_code:
            continue
        if block.marker:
            reason, _, what = block.marker.partition(": ")
            assert reason in ("not run", "run by") and what, place
            if reason == "run by":
                assert (REPOSITORY / what).is_file(), place
        elif block.document not in RUN_AS_A_PAGE:
            for words, _ in block.commands():
                assert words[:2] == ["python", "-m"] or words[0] == "tensorboard", place


def test_pages_that_run_as_a_whole_have_their_test():
    for document, test in RUN_AS_A_PAGE.items():
        assert document in DOCUMENTS and (REPOSITORY / test).is_file()


def test_markers_stand_before_a_block():
    for document in DOCUMENTS:
        assert not re.findall(r"(?m)^<!-- (?:not )?run", without_blocks(document)), (
            document
        )


def test_every_page_is_in_a_table_of_contents():
    listed, toctree = {"docs/index"}, r"```\{toctree\}\n(?:^:[^\n]*\n)*\n?(.*?)^```"
    for page in REPOSITORY.glob("docs/**/*.md"):
        text = page.read_text(encoding="utf-8")
        folder = page.parent.relative_to(REPOSITORY).as_posix()
        for tree in re.findall(toctree, text, re.DOTALL | re.MULTILINE):
            listed |= {f"{folder}/{name}" for name in tree.split()}
    pages = {d[:-3] for d in DOCUMENTS if d.startswith("docs/")}
    sources = REPOSITORY.glob("docs/notebooks/*.py")
    notebooks = {f"docs/notebooks/{path.stem}" for path in sources}
    assert listed == pages | notebooks - {"docs/notebooks/make"}
