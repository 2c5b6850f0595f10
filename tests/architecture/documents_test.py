"""The documents name what is there."""

import re

import pytest

from tests.architecture import import_table, source_tree

_DOCUMENTS = sorted(
    path.relative_to(source_tree.REPOSITORY).as_posix()
    for path in (
        *source_tree.REPOSITORY.glob("*.md"),
        *source_tree.REPOSITORY.glob("docs/*.md"),
    )
    if path.name != "CHANGELOG.md"
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")
_PATH = re.compile(r"`((?:tf_diffseg|data_tools|experiments|tests)/[\w/.]+)`")
_MODULE = re.compile(r"-m ((?:tf_diffseg|data_tools|experiments|tests)(?:\.\w+)+)")
# Names of things that a document shows how to add, and of nothing.
_ADDED = "docs/extending.md"
_NOTHING = ("tests/a/c_test.py", "tests/b/c_test.py")


def _text(document):
    return (source_tree.REPOSITORY / document).read_text(encoding="utf-8")


def _anchors(text):
    """What a heading is linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_links_lead_somewhere(document):
    folder = (source_tree.REPOSITORY / document).parent
    for path, anchor, own in _LINK.findall(_text(document)):
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        target = folder / path if path else source_tree.REPOSITORY / document
        assert target.exists(), f"{document} links to {path}"
        if anchor or own:
            found = _anchors(target.read_text(encoding="utf-8"))
            assert (anchor or own) in found, f"{document} links to #{anchor or own}"


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_files_and_commands_are_there(document):
    text = _text(document)
    tree = source_tree.repository()
    for path in _PATH.findall(text) if document != _ADDED else ():
        if path in _NOTHING:
            continue
        places = (source_tree.REPOSITORY / path, tree.root / f"{path}.py")
        assert any(place.exists() for place in places), f"{document}: {path}"
    for module in _MODULE.findall(text):
        assert module in tree.modules, f"{document}: python -m {module}"


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_python_is_that_of_the_library(document):
    if document == _ADDED:
        return
    for block in re.findall(r"```python\n(.*?)```", _text(document), re.DOTALL):
        assert not re.search(r"(from|import) (experiments|data_tools)", block)


@pytest.mark.skipif(not _DOCUMENTS, reason="Bazel builds no documents")
def test_the_import_table_is_that_of_the_code():
    text = _text("docs/architecture.md").partition("## Who may import whom")[2]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", text, re.MULTILINE))
    for name, row in rows.items():
        expected = set(import_table.TABLE[name].first_party)
        assert set(re.findall(r"`([\w.]+)`", row)) == expected, name
    left_out = {"tests", "tf_diffseg", "tf_diffseg.models.fused_normalization"}
    assert set(rows) == set(import_table.TABLE) - left_out
