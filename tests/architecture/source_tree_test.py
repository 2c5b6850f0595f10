"""The reader of sources finds every way to write an import."""

import pytest


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b as c", "a.b"),
        ("from a import b", "a.b"),
        ("from a import *", "a"),
        ("from . import b", "tf_diffseg.data.b"),
        ("from .b import c", "tf_diffseg.data.b.c"),
        ("from ..losses import dice", "tf_diffseg.losses.dice"),
        ("class A:\n  def f(self):\n    import a", "a"),
        ("importlib.import_module('a.b')", "a.b"),
        ("importlib.import_module(f'a.b.{name}')", "a.b"),
        ("tf.keras.Model()", "keras"),
    ],
)
def test_imports(tree_of, source, expected):
    tree = tree_of({"tf_diffseg/data/module.py": source})
    names = [found.name for found in tree.modules["tf_diffseg.data.module"].imports]
    assert names == [expected]


def test_modules_in_strings_of_tests(tree_of):
    source = (
        '"""Unlike experiments.docstring."""\n'
        'run(["-m", "experiments.train"])\n'
        'run(["-c", "import data_tools; data_tools.x()"])\n'
        'f"experiments.configs.{name}"\n'
    )
    tree = tree_of({"tests/a_test.py": source})
    names = {found.name for found in tree.modules["tests.a_test"].imports}
    assert names == {
        "experiments.train",
        "data_tools",
        "data_tools.x",
        "experiments.configs",
    }


def test_relative_import_in_a_package_starts_at_the_package(tree_of):
    tree = tree_of({"tf_diffseg/data/__init__.py": "from . import b"})
    assert tree.modules["tf_diffseg.data"].imports[0].name == "tf_diffseg.data.b"


def test_lazy_name_resolves_to_the_module_that_defines_it(tree_of):
    tree = tree_of(
        {
            "tf_diffseg/data/schema.py": "",
            "tf_diffseg/data/__init__.py": "TABLE = {'parse': 'schema'}\n"
            "x = lazy_exports(__name__, TABLE)",
            "tf_diffseg/__init__.py": "lazy_exports(_, {'parse': 'data.schema'})",
        }
    )
    for name in ("tf_diffseg.parse", "tf_diffseg.data.parse"):
        assert tree.resolve(name).name == "tf_diffseg.data.schema"
    assert tree.resolve("tf_diffseg.data").name == "tf_diffseg.data"
    assert tree.resolve("tensorflow") is None


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("data_tools/broken.py", "def", "data_tools/broken.py: not Python"),
        (
            "data_tools/__init__.py",
            "lazy_exports(__name__, f())",
            "data_tools/__init__.py:1: lazy_exports",
        ),
    ],
)
def test_an_error_names_the_file(tree_of, path, source, message):
    with pytest.raises(ValueError, match=message):
        tree_of({path: source})
