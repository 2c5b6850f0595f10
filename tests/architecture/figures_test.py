"""The repository stays cut into rooms that are small and import one way."""

import pytest

from tests.architecture import figures, source_tree


@pytest.fixture(scope="module")
def found():
    found = figures.figures_of(source_tree.repository())
    print(found)
    return found


@pytest.mark.parametrize(
    ("importer", "imported", "most"),
    [
        ("data_tools", "data_tools", 66),
        ("experiments", "experiments", 38),
        ("experiments", "data_tools", 9),
        ("data_tools", "experiments", 0),
    ],
)
def test_arrows_are_few(found, importer, imported, most):
    assert found.arrows.get((importer, imported), 0) <= most


def test_no_folder_has_many_files(found):
    assert {of: n for of, n in found.files.items() if n > 25} == {}


# These may shrink, and leave the table once they have 100 lines.
_LONGER = {
    "experiments.demo": 108,
}


def test_commands_are_short(found):
    long = {name: n for name, n in found.command_lines.items() if n > 100}
    assert len(found.command_lines) > 10
    assert {name: n for name, n in long.items() if n > _LONGER.get(name, 100)} == {}


def test_rooms_do_not_import_each_other_in_circles(found):
    assert found.circles == []


def test_a_circle_is_found(tmp_path):
    for path, source in {
        "tf_diffseg/a/__init__.py": "",
        "tf_diffseg/a/one.py": "import tf_diffseg.b.two",
        "tf_diffseg/b/__init__.py": "",
        "tf_diffseg/b/two.py": "import tf_diffseg.c.three",
        "tf_diffseg/c/__init__.py": "",
        "tf_diffseg/c/three.py": "import tf_diffseg.b",
        "tf_diffseg/__init__.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    found = figures.figures_of(source_tree.SourceTree(tmp_path))
    assert found.circles == ["tf_diffseg.b", "tf_diffseg.c"]
