"""Which way is better, of the scores that callbacks monitor."""

import re

_HIGHER_IS_BETTER = re.compile(r"(val_)?dice(_class_\d+|_step_\d+(_to_\d+)?)?")


def tell_callbacks_what_is_better(callbacks):
    """Has callbacks of mode "auto" look for the highest Dice.

    Keras infers the mode for `val_loss` and for metrics that `compile` was given, and
    else raises an error.

    Args:
        callbacks: a callback, a list of them, a `keras.callbacks.CallbackList`, or
            None.
    """
    callbacks = getattr(callbacks, "callbacks", callbacks) or []
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        monitor = getattr(callback, "monitor", None)
        is_auto = getattr(callback, "mode", None) == "auto"
        if is_auto and _HIGHER_IS_BETTER.fullmatch(str(monitor)):
            callback.mode = "max"
