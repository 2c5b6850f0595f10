"""The name of a converted case, made of all that decides what it contains."""

import ast
import dataclasses
import functools
import hashlib
import importlib
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from tf_diffseg.errors import CaseError, MachineError, is_of_machine
from tf_diffseg.text import shown
from tf_diffseg.volumes.file_endings import READ_ENDINGS

_ROOT = pathlib.Path(__file__).parents[2]
_PACKAGES = ("data_tools.", "tf_diffseg.")
# What this module imports, directly or not, decides how a case is converted, except the
# modules common to all packages, which lie in `tf_diffseg` itself.
_DECIDING_MODULE = "data_tools/conversion/case_conversion.py"


def case_key(case, recipe):
    """Name for the result of a case: it changes whenever the result could change.

    Args:
        case: `dataset.Case`; the sizes and times of its files count, not their content.
        recipe: `Recipe`.

    Returns:
        A hexadecimal digest.

    Raises:
        CaseError: if a file cannot be looked up and the file is at fault.
        MachineError: if the machine is at fault.
    """
    files = (*case.image_paths, case.label_path)
    try:
        states = [_file_states(path) for path in files]
    except OSError as error:
        kind = MachineError if is_of_machine(error) else CaseError
        raise kind(
            f"case {shown(case.uid)}: {error.filename} cannot be read: {error.strerror}"
        ) from error
    # The split decides where the case goes, not what it contains, so it is left out.
    names = case.uid, case.image_paths, case.label_path
    parts = [names, states, dataclasses.asdict(recipe), _code_digest()]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _file_states(path):
    """Size and time of a file, or of each file in the folder of a DICOM series."""
    if not path.lower().endswith(READ_ENDINGS) and os.path.isfile(path):
        path = os.path.dirname(path) or "."  # this file stands for its series
    files = [path]
    if os.path.isdir(path):
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]


@functools.cache
def _code_digest():
    """Digest of the converting code, so that no other version's cases are used."""
    digest = hashlib.sha256(f"{tf.__version__} {np.__version__}".encode())
    for file in deciding_files():
        digest.update(file.encode())
        digest.update((_ROOT / file).read_bytes())
    return digest.hexdigest()


def deciding_files():
    """Sorted paths of the code that decides how a case is converted."""
    found, to_do = set(), {_DECIDING_MODULE}
    while to_do:
        file = to_do.pop()
        found.add(file)
        to_do |= set(_imported_files(file)) - found
    return sorted(found)


def _imported_files(file):
    """Yields the files of our packages that a file imports, also inside functions."""
    for node in ast.walk(ast.parse((_ROOT / file).read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        yield from filter(None, map(_file_of, names))


def _file_of(name):
    """Path of one of our modules or of an export of a package; None for others."""
    if not name.startswith(_PACKAGES):
        return None
    path = f"{name.replace('.', '/')}.py"
    if (_ROOT / path).is_file():
        is_common = path.count("/") == 1
        return None if is_common else path
    package, _, export = name.rpartition(".")
    if not (_ROOT / package.replace(".", "/") / "__init__.py").is_file():
        return None
    exported = getattr(importlib.import_module(package), export, None)
    return _file_of(getattr(exported, "__module__", ""))
