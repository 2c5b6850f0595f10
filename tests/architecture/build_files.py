"""Writes the Bazel BUILD files from the imports and the import table.

Run this in the root of the repository; it needs no installed packages:

    python -m tests.architecture.build_files --write

Without --write it only names the files that are out of date. Each module is a
py_library. The `__init__.py` of a package is `:__init__`; the target with the name of
the package holds everything that its lazy exports can load. Packages from PyPI belong
to the Python that runs the tests, so they are no targets.
"""

import argparse
import pathlib
import sys

from tests.architecture import import_table, source_tree

COMMAND = "python -m tests.architecture.build_files --write"
_HEADER = f"# Written from the imports by `{COMMAND}`.\n"
_PYTEST_MAIN = "//tests:run_pytest.py"

# The other tests are "medium" and have 5 minutes; "small" ones have 1.
_TEST_SIZES = {
    "tests/architecture/build_files_test.py": "small",
    "tests/architecture/import_table_test.py": "small",
    "tests/architecture/source_tree_test.py": "small",
}

# Files of the root folder that tests read: those of the architecture, and of packaging.
_ROOT_FILES = ["BUILD", "pyproject.toml", "setup.py"]
_PACKAGING_FILES = [
    ".ci/oldest.py",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "NOTICE",
    "README.md",
]
_VISIBLE_TO_TESTS = ("visibility", ["//tests:__subpackages__"])

# Files that a module reads.
_DATA_FILES = {
    "experiments.flags.config_file": ["//experiments/configs"],
    "tf_diffseg.reports.report_page": [
        "page/LICENSE.niivue",
        "page/niivue-0.69.0.umd.js.gz",
        "page/page.css",
        "page/page.html",
        "page/page.js",
    ],
    "tf_diffseg.shipped_models": ["//experiments:hub"],
    "tests.addons.addons_test": ["values.json"],
    "tests.golden.written_before_test": ["expected.npz", "written.tar.xz"],
    "tests.packaging_test": [
        *(f"//:{path}" for path in (*_PACKAGING_FILES, "setup.py")),
        "//tf_diffseg/reports:report_page",
    ],
    "tests.serving.loader_test": ["loader.cc"],
    "tests.shipped_models_test": ["//:scans"],
}


# Folders of files beside modules, by the Bazel package that holds them.
_DATA_FOLDERS = {"": "docs/scans", "experiments": "hub"}


def render_all(tree):
    """Returns a dict from each BUILD file's path to the text that it must hold."""
    rendered = {"BUILD": _render_root()}
    for folder in tree.folders():
        rendered[f"{folder}/BUILD"] = _render_folder(tree, folder)
    return rendered


def out_of_date(tree):
    """Returns the paths of BUILD files that are missing, stale or left over."""
    rendered = render_all(tree)
    stale = [path for path in rendered if _read(tree.root / path) != rendered[path]]
    found = [
        path.relative_to(tree.root).as_posix()
        for top in source_tree.TOP_LEVEL
        for path in (tree.root / top).rglob("BUILD")
    ]
    return sorted({*stale, *(path for path in found if path not in rendered)})


def write(tree):
    """Brings every BUILD file up to date; returns the paths that changed."""
    rendered = render_all(tree)
    changed = out_of_date(tree)
    for path in changed:
        if path in rendered:
            (tree.root / path).write_text(rendered[path], encoding="utf-8")
        else:
            (tree.root / path).unlink()
    return changed


def _read(path):
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _render_root():
    names = sorted([*_ROOT_FILES[1:], *_PACKAGING_FILES])
    exported = _call("exports_files", [(None, names), _VISIBLE_TO_TESTS])
    files = _files_rule(_DATA_FOLDERS[""])
    return "\n".join([_HEADER, exported, files, _sources_rule(_ROOT_FILES)])


def _render_folder(tree, folder):
    modules = [module for module in tree.modules.values() if module.folder == folder]
    rules = []
    for module in sorted(modules, key=lambda module: module.path):
        if module.path == "tests/run_pytest.py":
            exported = [(None, ["run_pytest.py"]), _VISIBLE_TO_TESTS]
            rules.append(_call("exports_files", exported))
        elif module.is_test:
            rules.append(_test_rule(tree, module))
        else:
            rules.append(_library_rule(tree, module))
            if module.has_main and not module.name.startswith("tests."):
                rules.append(_binary_rule(module))
    if not import_table.is_inside(folder.replace("/", "."), "tests"):
        rules.append(_package_rule(tree, folder, modules))
    if folder in _DATA_FOLDERS:
        rules.append(_files_rule(_DATA_FOLDERS[folder]))
    rules.append(_sources_rule())
    default = _visibility(tree, folder.replace("/", "."))
    package = _call("package", [("default_visibility", default)])
    return "\n".join([_HEADER, _load_line(rules), package, *rules])


def _load_line(rules):
    kinds = sorted({rule.partition("(")[0] for rule in rules})
    loaded = ", ".join(f'"{kind}"' for kind in kinds if kind.startswith("py_"))
    return f'load("@rules_python//python:defs.bzl", {loaded})\n'


def _library_rule(tree, module):
    in_tests = module.name.startswith("tests.")
    return _call(
        "py_library",
        [
            ("name", _target_name(module)),
            ("testonly", True if in_tests else None),
            ("srcs", [module.path.rpartition("/")[2]]),
            ("data", _library_data(tree, module)),
            ("visibility", _own_visibility(tree, module)),
            ("deps", _deps(tree, module)),
        ],
    )


def _library_data(tree, module):
    if module.name in _DATA_FILES:
        return _DATA_FILES[module.name]
    # The reader of the sources needs all of them.
    if module.name != "tests.architecture.source_tree":
        return []
    return [":sources", "//:sources"] + [
        f"//{folder}:sources" for folder in tree.folders() if folder != module.folder
    ]


def _package_rule(tree, folder, modules):
    """Returns the target of a package and of all modules that its exports load."""
    name = folder.replace("/", ".")
    package = tree.modules.get(name)
    if package is None:
        raise ValueError(f"{folder}: a package needs an __init__.py")
    target = folder.rpartition("/")[2]
    if any(_target_name(module) == target for module in modules):
        raise ValueError(f"{folder}/{target}.py: a module has the name of its package")
    exported = [tree.resolve(f"{name}.{export}") for export in package.exports]
    if not exported:
        exported = [module for module in modules if not module.is_package]
    labels = {_label(module, folder) for module in exported}
    deps = _sorted_labels({":__init__", *labels})
    return _call("py_library", [("name", target), ("deps", deps)])


def _binary_rule(module):
    file = module.path.rpartition("/")[2]
    return _call(
        "py_binary",
        [
            ("name", _target_name(module) + "_main"),
            ("srcs", [file]),
            ("legacy_create_init", 0),
            ("main", file),
            ("deps", [":" + _target_name(module)]),
        ],
    )


def _test_rule(tree, module):
    return _call(
        "py_test",
        [
            ("name", _target_name(module)),
            ("size", _TEST_SIZES.get(module.path, "medium")),
            ("srcs", [module.path.rpartition("/")[2], _PYTEST_MAIN]),
            ("args", [module.path]),
            ("data", [*_DATA_FILES.get(module.name, []), "//:pyproject.toml"]),
            ("legacy_create_init", 0),
            ("main", _PYTEST_MAIN),
            ("deps", _deps(tree, module)),
        ],
    )


def _files_rule(folder):
    """Returns the group of all files in a folder, which modules read."""
    return (
        "filegroup(\n"
        f'    name = "{folder.rpartition("/")[2]}",\n'
        f'    srcs = glob(["{folder}/**"]),\n'
        '    visibility = ["//visibility:public"],\n'
        ")\n"
    )


def _sources_rule(files=None):
    """Returns the group of files that the architecture tests read."""
    value = _literal(files) if files else 'glob(["*.py"]) + ["BUILD"]'
    return (
        "filegroup(\n"
        '    name = "sources",\n'
        f"    srcs = {value},\n"
        '    visibility = ["//tests/architecture:__pkg__"],\n'
        ")\n"
    )


def _target_name(module):
    return pathlib.PurePosixPath(module.path).stem


def _label(module, folder):
    """Returns the label of a module's own target as `folder`'s BUILD spells it."""
    place = "" if module.folder == folder else f"//{module.folder}"
    return f"{place}:{_target_name(module)}"


def _deps(tree, module):
    """Returns the labels of what `module` needs, and of the packages around it."""
    targets = {_imported_label(module, t) for t in tree.first_party_needs(module)}
    # The `__init__.py` of the package around runs before the module.
    parent = tree.modules.get(module.name.rpartition(".")[0])
    if parent is not None and module.name not in _eagerly_loaded(tree, parent):
        targets.add(_label(parent, module.folder))
    if module.is_test:
        targets.update(_conftests(tree, module))
    return _sorted_labels(targets)


def _imported_label(module, target):
    # A package stands for all modules of its lazy exports. Its own modules take only
    # its `__init__.py`, or they would depend on themselves.
    if target.is_package and not import_table.is_inside(module.name, target.name):
        return f"//{target.folder}"
    return _label(target, module.folder)


def _eagerly_loaded(tree, package):
    """Returns the names of the modules that `package` itself imports, at any depth."""
    reached, waiting = set(), [package]
    while waiting:
        for _, target in tree.first_party_imports(waiting.pop()):
            if target.name not in reached:
                reached.add(target.name)
                waiting.append(target)
    return reached


def _conftests(tree, module):
    for other in tree.modules.values():
        if _target_name(other) == "conftest" and (
            module.folder == other.folder
            or module.folder.startswith(other.folder + "/")
        ):
            yield _label(other, module.folder)


def _own_visibility(tree, module):
    """Returns the visibility of a module, or None if it is that of its package."""
    visibility = _visibility(tree, module.name, module.is_package)
    default = _visibility(tree, module.folder.replace("/", "."))
    return None if visibility == default else visibility


def _visibility(tree, name, is_package=False):
    """Returns the targets that the import table allows to depend on `name`."""
    if import_table.is_inside(name, "tests"):
        return ["//tests:__subpackages__"]
    own = import_table.row_name(name)
    rows = {
        row
        for row in import_table.TABLE
        if row != own and import_table.may_import(row, name)
    }
    labels = set()
    if name in import_table.COMMON or (is_package and name == "tf_diffseg"):
        # Importing a package also runs the package around it.
        rows = {row for row in rows if not import_table.is_inside(row, "tf_diffseg")}
        rows.add("tf_diffseg")
    elif own != "tf_diffseg" and import_table.is_inside(name, "tf_diffseg"):
        # For the lazy exports.
        labels.add("//tf_diffseg:__pkg__")
    folders = [folder.replace("/", ".") for folder in tree.folders()]
    if any(name != own and import_table.row_name(name) == own for name in folders):
        rows.add(own)
    labels.update(f"//{row.replace('.', '/')}:__subpackages__" for row in rows)
    return _sorted_labels(labels)


def _sorted_labels(labels):
    # Buildifier's order: first this package, then each package before its sub-packages.
    return sorted(
        labels, key=lambda label: (label.startswith("//"), label.replace(":", "!"))
    )


def _call(rule, attributes):
    """Returns one call in Starlark, in the layout of buildifier."""
    lines = []
    for name, value in attributes:
        if value is None or value == []:
            continue
        prefix = f"{name} = " if name else ""
        lines.append(f"    {prefix}{_literal(value)},")
    return "\n".join([f"{rule}(", *lines, ")", ""])


def _literal(value):
    if isinstance(value, list) and len(value) > 1:
        items = "".join(f'        "{item}",\n' for item in value)
        return f"[\n{items}    ]"
    if isinstance(value, list):
        return f'["{value[0]}"]'
    return f'"{value}"' if isinstance(value, str) else repr(value)


def main():
    """Writes the files, or fails if some are out of date."""
    parser = argparse.ArgumentParser(description="Bazel BUILD files from the imports.")
    parser.add_argument("--write", action="store_true", help="write the files")
    arguments = parser.parse_args()
    tree = source_tree.repository()
    if arguments.write:
        for path in write(tree):
            print(f"wrote {path}")
        return 0
    stale = out_of_date(tree)
    for path in stale:
        print(f"out of date: {path}; run {COMMAND}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
