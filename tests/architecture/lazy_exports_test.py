"""Packages export names that exist, and load nothing before a name is used."""

import importlib
import subprocess
import sys

import pytest

from tests.architecture import source_tree
from tf_diffseg._lazy import lazy_exports

_TREE = source_tree.repository()
_EXPORTING = sorted(name for name, module in _TREE.modules.items() if module.exports)


@pytest.mark.parametrize("package", _EXPORTING)
def test_exported_names_are_defined_where_the_package_says(package):
    for name, module in _TREE.modules[package].exports.items():
        home = _TREE.modules.get(f"{package}.{module}")
        assert home is not None, f"{package} exports {name} from no module {module}"
        defined = home.defined | set(home.exports)
        assert name in defined, f"{home.path} does not define {name}"


def test_importing_a_package_loads_no_library():
    packages = [name for name, module in _TREE.modules.items() if module.is_package]
    code = (
        f"import sys, importlib\n"
        f"for name in {packages!r}: importlib.import_module(name)\n"
        f"heavy = ('tensorflow', 'keras', 'numpy', 'nibabel', 'matplotlib')\n"
        f"print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=_TREE.root,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_unknown_name_is_an_attribute_error():
    package = importlib.import_module("tf_diffseg.diffusion")
    with pytest.raises(AttributeError, match="tf_diffseg.diffusion.*no_such_name"):
        _ = package.no_such_name


def test_an_export_may_not_have_the_name_of_a_module():
    with pytest.raises(ValueError, match=r"exports \['dice'\]"):
        lazy_exports("package", {"dice": "dice", "focal_loss": "focal"})
