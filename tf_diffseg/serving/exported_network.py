"""The Keras model of an export: its config, which refers to the export's own weights.

The file lists the names of the weights in the order of `StoredWeights`.
"""

import json
import pathlib

import keras
import tensorflow as tf

from tf_diffseg.whole_files import write_json

NETWORK_FILE = "assets/keras_model.json"
_VARIABLES = "variables/variables"
_WEIGHT = "weights/{}/.ATTRIBUTES/VARIABLE_VALUE"


def write_network(models, stored, version_dir):
    """Writes the file that `load_network` reads.

    Args:
        models: list of the exported Keras models. Of several the file says only how
            many they are.
        stored: their `StoredWeights`.
        version_dir: folder of the export.
    """
    network = {"num_networks": len(models)}
    if len(models) == 1:
        (model,) = models
        network = {
            "class": keras.saving.get_registered_name(type(model)),
            "config": model.get_config(),
            "weights": stored.names,
        }
    write_json(pathlib.Path(version_dir) / NETWORK_FILE, network, indent=2)


def load_network(version_dir):
    """Loads the Keras model that an export was made of, with the stored weights.

    Args:
        version_dir: folder of the export.

    Returns:
        The model, not compiled. Its weights have the model's types, float32, whatever
        type they are stored in.

    Raises:
        ValueError: the export has no Keras model or several, is damaged, or its parts
            do not fit together.
    """
    folder = pathlib.Path(version_dir)
    network = _read_json(folder / NETWORK_FILE)
    if isinstance(network, dict) and "num_networks" in network:
        raise ValueError(
            f"{folder} is an ensemble of {network['num_networks']} networks; name the "
            "run of one of them"
        )
    try:
        model_class = keras.saving.get_registered_object(network["class"])
        if model_class is None:
            raise ValueError(f"no class {network['class']} is registered with Keras")
        model = model_class.from_config(network["config"])
        variables = {variable.path: variable for variable in model.weights}
        reader = tf.train.load_checkpoint(str(folder / _VARIABLES))
        for index, name in enumerate(network["weights"]):
            variables[name].assign(reader.get_tensor(_WEIGHT.format(index)))
    except (KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{folder} holds no whole Keras model: {reason}") from error
    return model


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"{path.parents[1]} has no {NETWORK_FILE}: an older version wrote this "
            "export, it cannot be trained on"
        ) from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
