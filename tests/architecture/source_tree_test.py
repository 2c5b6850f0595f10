"""The reader of imports finds each way to write one."""

import pytest

from tests.architecture import source_tree


def _module(root, path, source):
    path = root / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return source_tree.SourceTree(root)


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
def test_imports(tmp_path, source, expected):
    tree = _module(tmp_path, "tf_diffseg/data/module.py", source)
    names = [found.name for found in tree.modules["tf_diffseg.data.module"].imports]
    assert names == [expected]


def test_strings_of_tests_name_modules(tmp_path):
    source = (
        '"""Unlike experiments.docstring."""\n'
        'run(["-m", "experiments.train"])\n'
        'run(["-c", "import data_tools; data_tools.x()"])\n'
        'f"experiments.configs.{name}"\n'
    )
    tree = _module(tmp_path, "tests/a_test.py", source)
    names = {found.name for found in tree.modules["tests.a_test"].imports}
    assert names == {
        "experiments.train",
        "data_tools",
        "data_tools.x",
        "experiments.configs",
    }


def test_relative_import_in_a_package_starts_at_the_package(tmp_path):
    tree = _module(tmp_path, "tf_diffseg/data/__init__.py", "from . import b")
    assert tree.modules["tf_diffseg.data"].imports[0].name == "tf_diffseg.data.b"


def test_lazy_name_resolves_to_the_module_that_defines_it(tmp_path):
    _module(tmp_path, "tf_diffseg/data/schema.py", "")
    source = "TABLE = {'parse': 'schema'}\nx = lazy_exports(__name__, TABLE)"
    _module(tmp_path, "tf_diffseg/data/__init__.py", source)
    source = "lazy_exports(__name__, {'parse': 'data.schema'})"
    tree = _module(tmp_path, "tf_diffseg/__init__.py", source)
    for name in ("tf_diffseg.parse", "tf_diffseg.data.parse"):
        assert tree.resolve(name).name == "tf_diffseg.data.schema"
    assert tree.resolve("tf_diffseg.data").name == "tf_diffseg.data"
    assert tree.resolve("tensorflow") is None


def test_broken_source_is_named(tmp_path):
    with pytest.raises(ValueError, match="data_tools/broken.py: not Python"):
        _module(tmp_path, "data_tools/broken.py", "def")


def test_exports_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ValueError, match="data_tools/__init__.py:1: lazy_exports"):
        _module(tmp_path, "data_tools/__init__.py", "lazy_exports(__name__, f())")
