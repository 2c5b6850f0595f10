"""Models that come with the package, by name: exports in the folder models."""

import os
import pathlib

from tf_diffseg.serving.version_folders import versions

MODELS_DIR = pathlib.Path(__file__).with_name("models")


def find_model(path):
    """The folder that a path or a name stands for.

    Args:
        path: of a model, or the name of one that comes with the package. What is there
            goes first.

    Returns:
        Path of the newest version of the model of that name, or the path itself.
    """
    name = str(path)
    if os.path.exists(name) or name not in model_names():
        return path
    folder = MODELS_DIR / name
    return folder / str(versions(folder)[-1])


def model_names():
    """Names of the models that come with the package, in order."""
    folders = MODELS_DIR.iterdir() if MODELS_DIR.is_dir() else ()
    return sorted(folder.name for folder in folders if versions(folder))
