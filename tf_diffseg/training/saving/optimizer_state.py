"""The weights that an optimizer trains, and its state in a file.

Keras saves an optimizer's variables as a numbered list, without the weights to which
they belong. If the variables differ, Keras skips them with a warning, and training
goes on from step 0. So our files name the weights that the optimizer trains.
"""

import copy
import io
import json
import zipfile
from typing import NamedTuple

import h5py
import keras
import numpy as np

from tf_diffseg.models.trainable_state import weight_places

_RATE = "learning_rate"


class SavedOptimizer(NamedTuple):
    """An optimizer in a `.keras` file.

    Attributes:
        kind: name of its class, and of the class of an optimizer inside it.
        config: its constructor arguments.
        values: arrays of its variables, in Keras's order.
        places: `trained_places` of its model; None if the file does not tell.
        asked_rate: learning rate that it was compiled with, a float; None if that is
            not a number, or the file does not tell.
    """

    kind: str
    config: dict
    values: list
    places: list | None
    asked_rate: float | None


def trained_places(model):
    """Places, see `weight_places`, of the weights that a model's optimizer trains.

    Returns:
        List of places; None if the optimizer is not built.
    """
    if not model.optimizer.built:
        return None
    places = {id(weight): place for place, weight in weight_places(model).items()}
    return [
        places.get(id(variable), variable.path)
        for variable in trained_variables(model.optimizer)
    ]


def trained_variables(optimizer):
    """The variables that an optimizer was built for, in its order."""
    return list(optimizer._trainable_variables)


def build_optimizer(model, places):
    """Builds a model's optimizer for the weights at these places."""
    weights = weight_places(model)
    model.optimizer.build([weights[place] for place in places])


def numeric_rate(optimizer):
    """The learning rate as a float; None for a schedule, which is not state."""
    rate = _innermost(optimizer)._learning_rate
    return float(np.asarray(rate)) if isinstance(rate, keras.Variable) else None


def uses_averages(optimizer):
    """Whether an optimizer keeps moving averages of the weights."""
    return bool(_innermost(optimizer).use_ema)


def is_same_rate(rate, other):
    """Whether two learning rates are the same number, in float32."""
    return None not in (rate, other) and np.float32(rate) == np.float32(other)


def kind_of(optimizer):
    """Name of an optimizer's class, and of the class of one inside it."""
    return _kind(keras.saving.serialize_keras_object(optimizer))


def read_saved_optimizer(path):
    """The `SavedOptimizer` in a `.keras` file; None if it holds no optimizer."""
    with zipfile.ZipFile(path) as archive:
        compiled = json.loads(archive.read("config.json")).get("compile_config") or {}
        serialized = compiled.get("optimizer")
        if not isinstance(serialized, dict):
            return None
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights) as file:
        stored = file.get("optimizer/vars", {})
        values = [np.asarray(stored[number]) for number in sorted(stored, key=int)]
    return SavedOptimizer(
        _kind(serialized),
        serialized["config"],
        values,
        compiled.get("trained"),
        compiled.get("asked_rate"),
    )


def slots(optimizer_class, config):
    """Names of the variables that an optimizer keeps for one weight, in order.

    Args:
        optimizer_class: a class of Keras optimizers.
        config: its `get_config`.

    Returns:
        List such as ["iteration", "learning_rate", "momentum"].
    """
    optimizer = optimizer_class.from_config(copy.deepcopy(config))
    optimizer.build([keras.Variable(np.zeros([1, 1], np.float32), name="weight")])
    return [variable.name.removeprefix("weight_") for variable in optimizer.variables]


def without_rates(values, names):
    """An optimizer's variables without its learning rates.

    Args:
        values: one for each variable.
        names: `slots` of the optimizer; rates come before the variables of weights.
    """
    rates = {index for index, name in enumerate(names) if name == _RATE}
    return [value for index, value in enumerate(values) if index not in rates]


def saved_rate(saved, names):
    """The learning rate in a `SavedOptimizer`, a float; None if it is a schedule."""
    rates = [saved.values[index] for index, name in enumerate(names) if name == _RATE]
    # The first rate may be that of a loss scale, which is not used.
    schedules = len([name for name in names if name == "iteration"]) > len(rates)
    return None if schedules or not rates else float(rates[-1])


def _innermost(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


def _kind(serialized):
    name = serialized["class_name"]
    inner = serialized["config"].get("inner_optimizer")
    return f"{name} of {_kind(inner)}" if inner else name
