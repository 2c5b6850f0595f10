"""Models that come with the package, by name: exports in the folder models."""

import pathlib

from tf_diffseg.runs import shipped_models

MODELS_DIR = pathlib.Path(__file__).with_name("models")


def find_model(path):
    """As `tf_diffseg.runs.find_model`, of the models in this folder."""
    return shipped_models.find_model(path, MODELS_DIR)


def model_names():
    """Names of the models in this folder, in order."""
    return shipped_models.model_names(MODELS_DIR)
