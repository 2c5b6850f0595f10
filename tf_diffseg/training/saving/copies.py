"""Copies of networks that differ in some arguments."""


def copy_of(model, **changes):
    """A network with other arguments, and the same weights.

    Args:
        model: a built model of this library.
        **changes: arguments of the constructor that leave the shapes of the weights as
            they are, such as dtype.

    Returns:
        The copy, which is not compiled.
    """
    copy = type(model).from_config(model.get_config() | changes)
    copy.set_weights(model.get_weights())
    return copy
