"""Batches as `fit` and `evaluate` take them."""

import keras
import tensorflow as tf

from tf_diffseg.training.labels import LabelIds


def image_and_label(data, num_channels, label_ids, asserts=True):
    """Takes a batch apart and checks it.

    Args:
        data: dict of `image` and `label`, or a pair of them.
        num_channels: channels of the image.
        label_ids: `LabelIds`, or the number of classes.
        asserts: whether to assert that the label holds these; False where XLA
            compiles, which cannot.

    Returns:
        (image [batch, x, y, z, num_channels], label int32 [batch, x, y, z]).

    Raises:
        ValueError: a shape or a type is a wrong one, or there are sample weights.
        tf.errors.InvalidArgumentError: a label is no whole number, or out of range.
    """
    if not isinstance(label_ids, LabelIds):
        label_ids = LabelIds(label_ids, f"num_classes={label_ids}")
    if isinstance(data, dict):
        image, label, weight = data["image"], data["label"], None
    else:
        image, label, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is not None:
        raise ValueError("sample weights are not supported")
    image = check_image(image, num_channels)
    if label.shape.rank == 5 and label.shape[-1] == 1:
        label = label[..., 0]
    _check_shape("label", label, (None, None, None, None))
    if asserts:
        return image, label_ids.checked(label)
    return image, label_ids.rounded(label)[0]


def check_image(image, num_channels):
    """The image, of a shape that says what it is.

    Args:
        image: float [batch, x, y, z, num_channels].
        num_channels: channels that the network takes.

    Returns:
        The image.

    Raises:
        ValueError: the shape is another.
        tf.errors.InvalidArgumentError: it turns out to be another once it is known.
    """
    expected = (None, None, None, None, num_channels)
    _check_shape("image", image, expected)
    return tf.ensure_shape(image, expected)


def _check_shape(name, tensor, expected):
    """Raises ValueError unless a static shape fits `expected`, None being any size."""
    shape = tensor.shape
    if shape.rank is not None and not shape.is_compatible_with(expected):
        axes = (
            "[batch, x, y, z]" if len(expected) == 4 else "[batch, x, y, z, channels]"
        )
        raise ValueError(f"{name} must have shape {axes} {expected}, got {shape}")
