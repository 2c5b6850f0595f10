"""Models that come with the package, by name: exports in a folder beside it."""

import os
import pathlib

from tf_diffseg.serving.version_folders import versions

# Of the same wheel.
MODELS_DIR = pathlib.Path(__file__).parents[2] / "experiments" / "hub"


def find_model(path, models_dir=None):
    """The folder that a path or a name stands for.

    Args:
        path: of a model, or the name of one that comes with the package. What is there
            goes first.
        models_dir: folder of the models that come; by default that of the package.

    Returns:
        Path of the newest version of the model of that name, or the path itself.
    """
    name = str(path)
    if os.path.exists(name) or name not in model_names(models_dir):
        return path
    folder = (models_dir or MODELS_DIR) / name
    return folder / str(versions(folder)[-1])


def model_names(models_dir=None):
    """Names of the models that come with the package, in order."""
    models_dir = models_dir or MODELS_DIR
    folders = models_dir.iterdir() if models_dir.is_dir() else ()
    return sorted(folder.name for folder in folders if versions(folder))
