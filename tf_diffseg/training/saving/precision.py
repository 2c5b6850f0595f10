"""Changes the precision that a model computes in."""


def in_precision(model, precision):
    """A model with the same weights that computes in some precision.

    Args:
        model: a built model of this library.
        precision: name of a Keras dtype policy, such as "float32".

    Returns:
        The model itself if it computes so already, otherwise a copy that is not
        compiled.
    """
    if model.dtype_policy.name == precision:
        return model
    copy = type(model).from_config(model.get_config() | {"dtype": precision})
    copy.set_weights(model.get_weights())
    return copy
