"""The repository stays cut into small rooms that import one way.

A room is a package of the second level, such as `tf_diffseg/data`, with the folders in
it. The files beside the rooms, such as commands, are one more room.
"""

import collections

import pytest

from tests.architecture import source_tree

_CODE = ("tf_diffseg", "data_tools", "experiments")
_MAX_FILES = 25
_MAX_LINES = 100


def _top_level(name):
    return name.partition(".")[0]


def _modules(tree):
    return [m for m in tree.modules.values() if _top_level(m.name) in _CODE]


def _imports(tree):
    """Pairs of names of modules; the first imports the second."""
    return {
        (module.name, target.name)
        for module in _modules(tree)
        for _, target in tree.first_party_imports(module)
    }


def _room(name, tree):
    room = ".".join(name.split(".")[:2])
    return room if tree.modules[room].is_package else _top_level(name)


def _circle_of_rooms(tree):
    rooms = collections.defaultdict(set)
    for importer, imported in _imports(tree):
        if _room(importer, tree) != _room(imported, tree):
            rooms[_room(importer, tree)].add(_room(imported, tree))
    return source_tree.circle(rooms)


@pytest.mark.parametrize(
    ("importer", "imported", "most"),
    [
        ("data_tools", "data_tools", 75),
        ("experiments", "experiments", 45),
        ("experiments", "data_tools", 9),
        ("data_tools", "experiments", 0),
    ],
)
def test_few_modules_import_each_other(importer, imported, most):
    counts = collections.Counter(
        (_top_level(a), _top_level(b)) for a, b in _imports(source_tree.repository())
    )
    print(f"imports from {importer} to {imported}: {counts[importer, imported]}")
    assert counts[importer, imported] <= most


def test_no_folder_has_many_files():
    modules = _modules(source_tree.repository())
    files = collections.Counter(m.folder for m in modules if not m.is_package)
    print("files by folder:", dict(files))
    assert {folder: n for folder, n in files.items() if n > _MAX_FILES} == {}


def test_files_beside_the_rooms_are_commands():
    tree = source_tree.repository()
    found = {
        module.path
        for module in _modules(tree)
        if module.folder in ("data_tools", "experiments")
        and not module.has_main
        and not module.is_package
    }
    # What a wheel calls commands by, and old names of the library for one release.
    others = ("console_scripts", "evaluation", "segmenter", "train_config")
    assert found == {f"experiments/{name}.py" for name in others}


def test_commands_are_short():
    tree = source_tree.repository()
    lines = {
        module.name: (tree.root / module.path).read_text(encoding="utf-8").count("\n")
        for module in _modules(tree)
        if module.has_main and _room(module.name, tree) in _CODE
    }
    print("lines by command:", lines)
    assert len(lines) > 10
    too_long = {name: n for name, n in lines.items() if n > _MAX_LINES}
    assert too_long == {}


def test_rooms_do_not_import_each_other_in_circles():
    assert _circle_of_rooms(source_tree.repository()) == []


def test_a_circle_is_found(tree_of):
    tree = tree_of(
        {
            "tf_diffseg/a/__init__.py": "",
            "tf_diffseg/a/one.py": "import tf_diffseg.b.two",
            "tf_diffseg/b/__init__.py": "",
            "tf_diffseg/b/two.py": "import tf_diffseg.c.three",
            "tf_diffseg/c/__init__.py": "",
            "tf_diffseg/c/three.py": "import tf_diffseg.b",
            "tf_diffseg/__init__.py": "",
        }
    )
    assert _circle_of_rooms(tree) == ["tf_diffseg.b", "tf_diffseg.c"]
