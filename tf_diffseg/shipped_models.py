"""Models that come with the package, found by their names."""

import os
import pathlib

from tf_diffseg.errors import InputError

# Part of the same wheel.
MODELS_DIR = pathlib.Path(__file__).parents[1] / "experiments" / "hub"


def find_model(path, models_dir=None):
    """Finds a model by its path or name.

    Args:
        path: path of a model, or name of one that comes with the package. A path that
            exists takes precedence.
        models_dir: folder of the named models; by default that of the package.

    Returns:
        Path of the newest version of the named model, or `path` itself.

    Raises:
        InputError: `path` is empty, or neither a string nor a path.
    """
    if path == "" or not isinstance(path, (str, os.PathLike)):
        raise InputError(f"expected the path or the name of a model, got {path!r}")
    name = str(path)
    if os.path.exists(name) or name not in model_names(models_dir):
        return path
    return newest_version(name, models_dir)


def newest_version(name, models_dir=None):
    """Folder of the newest version of a named model."""
    return _versions((models_dir or MODELS_DIR) / name)[-1]


def model_names(models_dir=None):
    """Sorted names of the models that come with the package."""
    models_dir = models_dir or MODELS_DIR
    folders = models_dir.iterdir() if models_dir.is_dir() else ()
    return sorted(folder.name for folder in folders if _versions(folder))


def hiding_note(path):
    """End of an error's message if a path hides the model of its name; or empty."""
    if str(path) not in model_names() or not os.path.exists(path):
        return ""
    return f". Here, ./{path} hides the model of that name: work in another folder"


def _versions(folder):
    """Folders of a model's versions, ascending."""
    found = folder.iterdir() if folder.is_dir() else ()
    numbered = [path for path in found if path.name.isdecimal()]
    return sorted(numbered, key=lambda path: int(path.name))
