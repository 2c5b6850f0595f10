"""Loads a checkpoint into a newly compiled model.

Weights, moments, averages and the number of steps come from the file. The options of
`compile` stay: the learning rate, the weight decay, the momentum of averages, the
clipping of gradients.
"""

import warnings

from tf_diffseg.training.saving.checkpoints import CheckpointError
from tf_diffseg.training.saving.optimizer_state import (
    is_same_rate,
    kind_of,
    numeric_rate,
    read_saved_optimizer,
    saved_rate,
    slots,
    trained_places,
    without_rates,
)

_MOST_NAMED = 5
# Variables of an optimizer or a loss scale that belong to no weight.
_OF_NO_WEIGHT = ("iteration", "learning_rate", "step_counter", "dynamic_scale")


def load_checkpoint(model, path, report):
    """Loads weights and optimizer state into a model, in the scope of its strategy.

    If the model is compiled with the learning rate that the run was compiled with, a
    rate that a callback lowered since, such as `keras.callbacks.ReduceLROnPlateau`, is
    part of the state.

    Args:
        model: built and compiled.
        path: path of the checkpoint.
        report: function that is called with a line of text if the learning rate is
            not the checkpoint's.

    Raises:
        CheckpointError: it is of another model, or its optimizer is of another kind or
            trains other weights; the message tells what was saved and what the model
            has.
    """
    saved = read_saved_optimizer(path)
    if saved is None:
        raise CheckpointError(f"the checkpoint {path} holds no optimizer")
    names = _common_slots(saved, model.optimizer, path)
    model.optimizer.build(model.trainable_variables)
    asked = numeric_rate(model.optimizer)
    _load_weights(model, path)
    _take_state(saved, names, model, path)
    _settle_rate(model, asked, saved, saved_rate(saved, names), report)


def _common_slots(saved, optimizer, path):
    """The `slots` of the saved optimizer, if the model's are the same."""
    kind = kind_of(optimizer)
    if kind != saved.kind:
        raise CheckpointError(
            f"the checkpoint {path} was saved with the optimizer {saved.kind}, and the "
            f"model is compiled with {kind}: compile it with the same kind, or train "
            "in another folder"
        )
    names = slots(type(optimizer), saved.config)
    own = slots(type(optimizer), optimizer.get_config())
    if without_rates(names, names) != without_rates(own, own):
        raise CheckpointError(
            f"the optimizer {kind} of the checkpoint {path} keeps "
            f"{_slots_text(names)} of each weight, that of the model "
            f"{_slots_text(own)}: compile it with the same options, such as use_ema, "
            "or train in another folder"
        )
    return names


def _slots_text(names):
    """The slots of a weight, as text."""
    return ", ".join(name for name in names if name not in _OF_NO_WEIGHT) or "nothing"


def _load_weights(model, path):
    try:
        with warnings.catch_warnings():
            # Keras skips the state if only one has a schedule; it is taken below.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            model.load_weights(path)
    except (KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the checkpoint {path} is of another model: {reason}"
        ) from error


def _take_state(saved, names, model, path):
    """Assigns moments, averages and steps, if they belong to the same weights."""
    if saved.places is None and not _has_slots(saved, names):
        return  # Saved before the first step.
    places = trained_places(model)
    if saved.places not in (None, places):
        raise CheckpointError(
            f"the optimizer of the checkpoint {path} trains {len(saved.places)} "
            f"weights, that of the model {len(places)}: "
            f"{_difference(saved.places, places)}. Freeze the same layers before the "
            "model is compiled, or train in another folder"
        )
    own = [each for each in model.optimizer.variables if each.name != "learning_rate"]
    values = without_rates(saved.values, names)
    if [value.shape for value in values] != [tuple(each.shape) for each in own]:
        raise CheckpointError(
            f"the optimizer of the checkpoint {path} has {len(values)} variables, that "
            f"of the model {len(own)}, or of other shapes: other layers were frozen. "
            "Freeze the same ones before the model is compiled, or train in another "
            "folder"
        )
    for variable, value in zip(own, values, strict=True):
        variable.assign(value)


def _has_slots(saved, names):
    return len(saved.values) > len([n for n in names if n in _OF_NO_WEIGHT])


def _difference(saved, own):
    parts = []
    for text, places in (
        ("frozen only in the checkpoint", [p for p in own if p not in saved]),
        ("frozen only in the model", [p for p in saved if p not in own]),
    ):
        if places:
            more = ", ..." if len(places) > _MOST_NAMED else ""
            parts.append(f"{', '.join(places[:_MOST_NAMED])}{more} {text}")
    return "; ".join(parts) or "in another order"


def _settle_rate(model, asked, saved, rate, report):
    """Sets the rate of `compile`, or the saved one if the run was compiled alike."""
    if asked is None:
        return
    if rate is not None and is_same_rate(asked, saved.asked_rate):
        model.optimizer.learning_rate = rate
        return
    model.optimizer.learning_rate = asked
    model.asked_rate = asked
    if rate is None or not is_same_rate(asked, rate):
        before = "a schedule" if rate is None else f"{rate:.4g}"
        report(f"the learning rate is {asked:.4g} from here on; it was {before}")
