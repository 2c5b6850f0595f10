"""Staged files are used again only if nothing has changed that decides the result."""

import pathlib

import pytest

from data_tools.conversion import case_key
from data_tools.conversion.case_conversion import Recipe
from data_tools.datasets.open_dataset import read_dataset
from tests.architecture import import_table, source_tree


def _imported_by(module, tree):
    """Names of the modules that a module imports, directly or not, but common ones."""
    found, to_do = set(), [module]
    while to_do:
        name = to_do.pop()
        if name not in found and name not in import_table.COMMON:
            found.add(name)
            targets = tree.first_party_imports(tree.modules[name])
            to_do += [target.name for _, target in targets]
    return found


def test_deciding_files_are_the_imports_of_case_conversion():
    tree = source_tree.repository()
    names = _imported_by("data_tools.conversion.case_conversion", tree)
    expected = sorted(tree.modules[name].path for name in names)
    assert case_key.deciding_files() == expected


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("tf_diffseg/preprocessing/resampling.py", True),
        ("data_tools/conversion/class_ids.py", True),
        ("tf_diffseg/volumes/nifti.py", True),
        ("tf_diffseg/volumes/result_files.py", False),
        ("data_tools/conversion/worker_pool.py", False),
    ],
)
def test_an_edit_of_deciding_code_changes_the_key(
    msd_folder, monkeypatch, file, counts
):
    msd_folder.add_case("a")
    dataset = read_dataset(msd_folder.folder)
    recipe = Recipe.of(dataset, {}, "float32")

    def key():
        case_key._code_digest.cache_clear()
        return case_key.case_key(dataset.cases[0], recipe)

    def edited(path):
        return read_bytes(path) + b"#" * path.as_posix().endswith(file)

    before, read_bytes = key(), pathlib.Path.read_bytes
    assert key() == before
    monkeypatch.setattr(pathlib.Path, "read_bytes", edited)
    assert (key() != before) == counts
    monkeypatch.undo()
    case_key._code_digest.cache_clear()
