"""The documents name files, tests, commands and functions that exist."""

import ast
import re

import pytest

from tests.architecture import import_table, source_tree

_DOCUMENTS = sorted(
    path.relative_to(source_tree.REPOSITORY).as_posix()
    for path in (
        *source_tree.REPOSITORY.glob("*.md"),
        *source_tree.REPOSITORY.glob("docs/**/*.md"),
        *source_tree.REPOSITORY.glob("experiments/hub/*/README.md"),
    )
    if path.name != "CHANGELOG.md"
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")
_PATH = re.compile(r"`((?:tf_diffseg|data_tools|experiments|tests)/[\w/.]+)`")
_MODULE = re.compile(r"-m ((?:tf_diffseg|data_tools|experiments|tests)(?:\.\w+)+)")
_TEST = re.compile(r"`(test_\w+)`")
_TEST_FILE = re.compile(r"`([\w./]+_test\.py)`")
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# It also names files that it shows how to add.
_ADDED = "docs/extending.md"
_NAMED = [document for document in _DOCUMENTS if document != _ADDED]


def _text(document):
    return (source_tree.REPOSITORY / document).read_text(encoding="utf-8")


def _anchors(text):
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_targets_of_links_exist(document):
    folder = (source_tree.REPOSITORY / document).parent
    for path, anchor, own in _LINK.findall(_text(document)):
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        target = folder / path if path else source_tree.REPOSITORY / document
        assert target.exists(), f"{document} links to {path}"
        if anchor or own:
            found = _anchors(target.read_text(encoding="utf-8"))
            assert (anchor or own) in found, f"{document} links to #{anchor or own}"


@pytest.mark.parametrize("document", _NAMED)
def test_files_and_tests_exist(document):
    text = _text(document)
    for path in _PATH.findall(text) + _TEST_FILE.findall(text):
        places = (source_tree.REPOSITORY / path, source_tree.REPOSITORY / f"{path}.py")
        assert any(place.exists() for place in places), f"{document}: {path}"
    tests = {
        name
        for module in source_tree.repository().modules.values()
        for name in module.defined
    }
    # `test_step` is a method of Keras.
    assert {*_TEST.findall(text)} - {"test_step"} <= tests


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_commands_exist(document):
    modules = source_tree.repository().modules
    for module in _MODULE.findall(_text(document)):
        assert modules[module].has_main, f"{document}: python -m {module}"


@pytest.mark.parametrize("document", _NAMED)
def test_python_uses_public_names(document):
    exports = {
        module.name: set(module.exports)
        for module in source_tree.repository().modules.values()
        if module.exports
    }
    for block in _PYTHON.findall(_text(document)):
        for package, name in _names_used(ast.parse(block)):
            assert package.split(".")[0] not in ("experiments", "data_tools")
            if package.split(".")[0] == "tf_diffseg":
                assert name in exports[package], f"{document}: {package}.{name}"


def _names_used(block):
    """Pairs of a module and a name in it that a block of Python uses."""
    for node in ast.walk(block):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if "." in alias.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


@pytest.mark.skipif(not _DOCUMENTS, reason="Bazel builds no documents")
def test_the_import_table_equals_that_of_the_code():
    text = _text("docs/architecture.md").partition("## Who may import whom")[2]
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+) \|$", text, re.MULTILINE))
    for name, row in rows.items():
        expected = set(import_table.TABLE[name].first_party)
        assert set(re.findall(r"`([\w.]+)`", row)) == expected, name
    left_out = {"tests", "tf_diffseg", "tf_diffseg.models.fused_normalization"}
    assert set(rows) == set(import_table.TABLE) - left_out
