"""The BUILD files follow from the imports."""

import pytest

from tests.architecture import build_files, source_tree

# One package of the library, its test and a program.
_SOURCES = {
    "tf_diffseg/__init__.py": "from tf_diffseg._lazy import lazy_exports\n"
    "lazy_exports(__name__, {'Dice': 'losses.dice'})",
    "tf_diffseg/_lazy.py": "",
    "tf_diffseg/losses/__init__.py": "",
    "tf_diffseg/losses/dice.py": "import numpy\nclass Dice: pass",
    "experiments/__init__.py": "",
    "experiments/train.py": "def main():\n  from tf_diffseg import Dice\n"
    "if __name__ == '__main__':\n  main()",
    "tests/conftest.py": "",
    "tests/losses/dice_test.py": "import tf_diffseg",
}


@pytest.fixture
def rendered(tree_of):
    """The BUILD files of the small tree."""
    return build_files.render_all(tree_of(_SOURCES))


def test_build_files_are_up_to_date():
    stale = build_files.out_of_date(source_tree.repository())
    assert stale == [], f"run {build_files.COMMAND}"


def test_library_depends_on_its_imports_and_its_package(rendered):
    expected = """py_library(
    name = "train",
    srcs = ["train.py"],
    deps = [
        ":__init__",
        "//tf_diffseg/losses:dice",
    ],
)
"""
    assert expected in rendered["experiments/BUILD"]


@pytest.mark.parametrize(
    "source, deps",
    [
        ('[sys.executable, "-m", "experiments.train"]', [":__init__", ":train"]),
        (
            'from experiments import run\nrun("experiments.train")',
            [":__init__", ":run", ":train"],
        ),
        (
            'from tf_diffseg.losses import dice\nmade_by = "experiments.train"',
            [":__init__", "//tf_diffseg/losses:dice"],
        ),
    ],
)
def test_a_module_depends_on_what_it_starts(tree_of, source, deps):
    sources = {"experiments/start.py": source, "experiments/run.py": 'm = "-m"'}
    tree = tree_of(_SOURCES | sources)
    lines = "".join(f'        "{label}",\n' for label in deps)
    expected = f"""py_library(
    name = "start",
    srcs = ["start.py"],
    deps = [
{lines}    ],
)
"""
    assert expected in build_files.render_all(tree)["experiments/BUILD"]


def test_package_depends_on_its_lazy_exports(rendered):
    expected = """py_library(
    name = "tf_diffseg",
    deps = [
        ":__init__",
        "//tf_diffseg/losses:dice",
    ],
)
"""
    assert expected in rendered["tf_diffseg/BUILD"]


def test_module_that_its_package_loads_does_not_depend_on_it(rendered):
    package, lazy = (
        next(
            rule
            for rule in rendered["tf_diffseg/BUILD"].split("\n\n")
            if f'name = "{name}"' in rule
        )
        for name in ("__init__", "_lazy")
    )
    assert 'deps = [":_lazy"]' in package
    assert "deps" not in lazy


def test_visibility_follows_the_import_table(rendered):
    expected = """    default_visibility = [
        "//experiments:__subpackages__",
        "//tests:__subpackages__",
        "//tf_diffseg:__pkg__",
        "//tf_diffseg/training:__subpackages__",
    ],
"""
    assert expected in rendered["tf_diffseg/losses/BUILD"]


def test_test_runs_pytest_with_its_conftest(rendered):
    expected = """py_test(
    name = "dice_test",
    size = "medium",
    srcs = [
        "dice_test.py",
        "//tests:run_pytest.py",
    ],
    args = ["tests/losses/dice_test.py"],
    data = ["//:pyproject.toml"],
    legacy_create_init = 0,
    main = "//tests:run_pytest.py",
    deps = [
        "//tests:conftest",
        "//tf_diffseg",
    ],
)
"""
    assert expected in rendered["tests/losses/BUILD"]


def test_write_makes_changes_and_removes_files(tree_of):
    tree = tree_of(_SOURCES)
    assert len(build_files.write(tree)) == 6
    assert build_files.out_of_date(tree) == []

    changed = {"tf_diffseg/losses/dice.py": "import tf_diffseg._lazy"}
    tree = tree_of({"tests/gone/BUILD": "", **changed})
    expected = ["tests/gone/BUILD", "tf_diffseg/losses/BUILD"]
    assert build_files.out_of_date(tree) == expected
    assert build_files.write(tree) == expected
    assert build_files.out_of_date(tree) == []
    assert not (tree.root / "tests/gone/BUILD").exists()


def test_refuses_a_folder_without_init(tree_of):
    sources = {path: _SOURCES[path] for path in _SOURCES if "losses/_" not in path}
    with pytest.raises(ValueError, match="tf_diffseg/losses: .*__init__.py"):
        build_files.render_all(tree_of(sources))
