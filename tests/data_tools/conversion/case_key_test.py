"""What was staged is used again if, and only if, nothing has changed that counts."""

import pathlib

import pytest

from data_tools.conversion import case_key
from data_tools.conversion.case_conversion import Recipe
from data_tools.datasets.open_dataset import read_dataset
from tests.architecture import import_table, source_tree


def _imported_by(module, tree):
    """Names of all modules that importing one brings in, but the common ones."""
    found, to_do = set(), [module]
    while to_do:
        name = to_do.pop()
        if name not in found and name not in import_table.COMMON:
            found.add(name)
            targets = tree.first_party_imports(tree.modules[name])
            to_do += [target.name for _, target in targets]
    return found


def test_the_code_that_counts_is_all_that_converting_a_case_imports():
    tree = source_tree.repository()
    names = _imported_by("data_tools.conversion.case_conversion", tree)
    expected = sorted(tree.modules[name].path for name in names)
    assert sorted(case_key.DECIDING_FILES) == expected


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("tf_diffseg/preprocessing/resampling.py", True),
        ("tf_diffseg/volumes/nifti.py", True),
        ("data_tools/conversion/class_ids.py", True),
        ("tf_diffseg/reports/overlay.py", False),
        ("tf_diffseg/volumes/result_files.py", False),
        ("data_tools/flags/conversion_flags.py", False),
        ("data_tools/phantoms/phantom.py", False),
        ("data_tools/conversion/worker_pool.py", False),
    ],
)
def test_an_edit_changes_the_key_where_it_decides(
    msd_folder, monkeypatch, file, counts
):
    msd_folder.add_case("a")
    dataset = read_dataset(msd_folder.folder)
    recipe = Recipe.of(dataset, {}, "float32")

    def key():
        case_key._code.cache_clear()
        return case_key.case_key(dataset.cases[0], recipe)

    def edited(path):
        return read_bytes(path) + b"#" * path.as_posix().endswith(file)

    before, read_bytes = key(), pathlib.Path.read_bytes
    assert key() == before
    monkeypatch.setattr(pathlib.Path, "read_bytes", edited)
    assert (key() != before) == counts
    monkeypatch.undo()
    case_key._code.cache_clear()
