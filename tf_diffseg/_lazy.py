"""Public names that load their module on first use (PEP 562).

Importing TensorFlow and Keras takes seconds. A package that exports its names
through `lazy_exports` costs nothing to import, and `tf_diffseg.diffusion` never
loads Keras.
"""

import importlib
import warnings


def lazy_exports(package, modules):
    """Makes the three module attributes that export `modules` lazily.

    Args:
        package: `__name__` of the exporting package.
        modules: dict from public name to the module, relative to `package`,
            that defines it.

    Returns:
        `(__getattr__, __dir__, __all__)` to assign in the package.

    Raises:
        ValueError: a name is also the name of a module of the package. Python would
            find the module in place of the export once somebody imports it.
    """
    shadowed = sorted(set(modules) & set(modules.values()))
    if shadowed:
        raise ValueError(f"{package} exports {shadowed}, names of its own modules")

    def getattr_(name):
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{modules[name]}")
        return getattr(module, name)

    def dir_():
        return sorted(modules)

    return getattr_, dir_, sorted(modules)


def moved_names(module, package, names):
    """Makes the `__getattr__` of a module whose names have moved to a package.

    Args:
        module: `__name__` of the module, which the next release removes.
        package: dotted name of the package that exports the names now.
        names: the names that have moved.

    Returns:
        `__getattr__` to assign in the module. It returns the object of a name and
        gives a `DeprecationWarning` that tells where the name is now.
    """

    def getattr_(name):
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(
            f"{module}.{name} is now {package}.{name}; the next release removes the "
            "old name",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(package), name)

    return getattr_
