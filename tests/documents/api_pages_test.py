"""The API reference has every public name."""

import pytest

from tests.architecture import source_tree
from tests.documents.blocks import DOCUMENTS, read

_PACKAGES = {
    module.name: module.exports
    for module in source_tree.repository().modules.values()
    if module.exports and module.name.count(".") < 2
}

pytestmark = pytest.mark.skipif(not DOCUMENTS, reason="Bazel builds no documents")


@pytest.mark.parametrize("package", sorted(_PACKAGES))
def test_a_package_has_a_page(package):
    page = read(f"docs/api/{package.rpartition('.')[2]}.md")
    assert f".. automodule:: {package}\n   :members:" in page
    for name in _PACKAGES[package]:
        if name.isupper():  # It has no docstring.
            assert f".. py:data:: {package}.{name}\n" in page


def test_the_first_page_lists_what_the_library_exports_itself():
    page = read("docs/api/index.md")
    for name in _PACKAGES["tf_diffseg"]:
        assert f"\n   {name}\n" in page, name
    for package in _PACKAGES:
        assert f"]({package.rpartition('.')[2]}.md)" in page
