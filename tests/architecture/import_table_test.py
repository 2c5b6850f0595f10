"""Every import in the repository follows the import table."""

import sys

import pytest

from tests.architecture import import_table, source_tree


def _violations(tree):
    """Returns a line for each import that the table does not allow."""
    found = []
    for module in tree.modules.values():
        for name, line in _forbidden(tree, module):
            found.append(f"{module.path}:{line}: {module.name} may not import {name}")
    return found


def _forbidden(tree, module):
    for found in module.imports:
        library = found.name.partition(".")[0]
        if tree.is_first_party(found.name):
            target = tree.resolve(found.name)
            name = target.name if target else found.name
            if not import_table.may_import(module.name, name):
                yield name, found.line
        elif library not in sys.stdlib_module_names and (
            not import_table.may_import_library(module.name, library)
        ):
            yield library, found.line


_SOURCES = {
    "tf_diffseg/__init__.py": "",
    "tf_diffseg/diffusion/__init__.py": "",
    "tf_diffseg/models/__init__.py": "lazy_exports(__name__, {'UNet': 'unet'})",
    "tf_diffseg/models/unet.py": "class UNet: pass",
    "tf_diffseg/preprocessing/__init__.py": "",
    "tf_diffseg/data/__init__.py": "lazy_exports('', {'parse': 'example_schema'})",
    "tf_diffseg/data/augment.py": "",
    "tf_diffseg/data/example_schema.py": "",
    "tf_diffseg/training/fit.py": "",
    "data_tools/__init__.py": "",
    "experiments/train.py": "",
}


def test_repository_follows_the_table():
    tree = source_tree.repository()
    assert len(tree.modules) > 20, f"no sources at {tree.root}"
    assert _violations(tree) == []


def test_rows_import_rows_above_them_only():
    rows = list(import_table.TABLE)
    for index, (name, row) in enumerate(import_table.TABLE.items()):
        for imported in row.first_party:
            above = import_table.row_name(imported)
            assert above in rows[:index], f"{name} imports {imported}, not above it"


_UNET = "tf_diffseg.models.unet"
_DIFFUSION = "tf_diffseg.diffusion"
_TRAINING = "tf_diffseg.training.fit"
_AUGMENT = "tf_diffseg.data.augment"


@pytest.mark.parametrize(
    ("importer", "source", "imported"),
    [
        # Up, sideways, and into what a row does not list.
        ("tf_diffseg/data/a.py", "import tf_diffseg.training.fit", _TRAINING),
        ("tf_diffseg/losses/a.py", "from tf_diffseg import diffusion", _DIFFUSION),
        ("tf_diffseg/serving/a.py", "import tf_diffseg.models.unet", _UNET),
        ("data_tools/conversion/a.py", "from tf_diffseg.data import augment", _AUGMENT),
        ("data_tools/a.py", "import experiments.train", "experiments.train"),
        # The package around them all. It may not load any of them itself.
        ("tf_diffseg/losses/a.py", "import tf_diffseg", "tf_diffseg"),
        ("tf_diffseg/a.py", "import tf_diffseg.diffusion", _DIFFUSION),
        ("tf_diffseg/losses/a.py", "from tf_diffseg.models import UNet", _UNET),
        ("tf_diffseg/losses/a.py", "import tf_diffseg.gone", "tf_diffseg"),
        # Libraries.
        ("tf_diffseg/models/a.py", "import tensorflow as tf", "tensorflow"),
        ("tf_diffseg/models/a.py", "from numpy import zeros", "numpy"),
        ("tf_diffseg/diffusion/a.py", "from keras import ops", "keras"),
        ("tf_diffseg/diffusion/a.py", "tf.keras.layers.Dense(1)", "keras"),
        ("data_tools/a.py", "import keras", "keras"),
    ],
)
def test_forbidden_import_is_reported(tree_of, importer, source, imported):
    assert _violations(tree_of(_SOURCES)) == []
    (violation,) = _violations(tree_of({importer: source}))
    assert violation.startswith(f"{importer}:")
    assert violation.endswith(f"may not import {imported}")


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("data_tools/a.py", "import nibabel, numpy, os.path"),
        ("data_tools/conversion/a.py", "from tf_diffseg.data import example_schema"),
        ("data_tools/conversion/a.py", "from tf_diffseg.data import parse"),
        ("data_tools/conversion/a.py", "import tf_diffseg.preprocessing"),
        ("tf_diffseg/training/fit.py", "import keras, tf_diffseg.data.augment"),
        ("tf_diffseg/models/a.py", "import math, keras"),
        ("experiments/train.py", "import tf_diffseg, data_tools, any_library"),
    ],
)
def test_allowed_import_is_not_reported(tree_of, importer, source):
    assert _violations(tree_of({**_SOURCES, importer: source})) == []


def test_modules_do_not_import_in_circles():
    tree = source_tree.repository()
    imported = {
        name: {target.name for _, target in tree.first_party_imports(module)}
        for name, module in tree.modules.items()
    }
    assert source_tree.circle(imported) == []


def test_every_folder_of_modules_is_a_package():
    tree = source_tree.repository()
    missing = [
        folder
        for folder in tree.folders()
        if not folder.startswith("tests")
        and folder.replace("/", ".") not in tree.modules
    ]
    assert missing == [], "folders without an __init__.py are not installed"
