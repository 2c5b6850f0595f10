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


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("runs", "runs.segmentation.segmenter.VolumeSegmenter"),
        ("runs", "runs.segmentation.segmentation_result.Segmentation"),
        ("runs", "runs.segmentation.scan_resampling.ScanResampling"),
        ("volumes", "volumes.volume.Volume"),
        ("data", "data.manifest.Manifest"),
        ("training", "training.saving.checkpoints.CheckpointError"),
        ("tf_diffseg", "errors.InputError"),
    ],
)
def test_what_functions_return_or_raise_is_described(page, path):
    module, _, name = path.rpartition(".")
    assert name in source_tree.repository().modules[f"tf_diffseg.{module}"].defined
    described = f":: tf_diffseg.{path}\n"
    assert described in read(f"docs/api/{page}.md")


def test_the_first_page_lists_what_the_library_exports_itself():
    page = read("docs/api/index.md")
    for name in _PACKAGES["tf_diffseg"]:
        assert f"\n   {name}\n" in page, name
    for package in _PACKAGES:
        assert f"]({package.rpartition('.')[2]}.md)" in page
