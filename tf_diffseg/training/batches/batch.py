"""Batches that `fit` and `evaluate` take."""

import keras
import tensorflow as tf

from tf_diffseg.training.batches.batch_shapes import asserted_shapes, check_shapes
from tf_diffseg.training.batches.labels import LabelIds


def image_and_label(data, num_channels, label_ids, asserts=True):
    """Takes a batch apart and checks it.

    Args:
        data: dict of `image` and `label`, or a pair of them.
        num_channels: channels of the image.
        label_ids: `LabelIds`, or the number of classes.
        asserts: whether to assert that the label holds these ids; XLA cannot.

    Returns:
        (image [batch, x, y, z, num_channels], label int32 [batch, x, y, z]).

    Raises:
        ValueError: a shape or a type is wrong, or there are sample weights.
        tf.errors.InvalidArgumentError: a label is no whole number or out of range.
    """
    if not isinstance(label_ids, LabelIds):
        label_ids = LabelIds(label_ids, f"num_classes={label_ids}")
    if isinstance(data, dict):
        image, label, weight = data["image"], data["label"], None
    else:
        image, label, weight = keras.utils.unpack_x_y_sample_weight(data)
    if weight is not None:
        raise ValueError("sample weights are not supported")
    image, label = tf.convert_to_tensor(image), tf.convert_to_tensor(label)
    check_shapes(image.shape, label.shape, num_channels)
    if label.shape.rank == 5:
        label = label[..., 0]
    image = check_image(image, num_channels, asserts, label)
    if asserts:
        return image, label_ids.checked(label)
    return image, label_ids.rounded(label)[0]


def check_image(image, num_channels, asserts=True, label=None):
    """The image with its shape checked, at once or when the graph runs.

    Args:
        image: float [batch, x, y, z, num_channels].
        num_channels: channels that the network takes.
        asserts: as for `image_and_label`.
        label: tensor [batch, x, y, z] that belongs to it, or None.

    Raises:
        ValueError: the known part of the shape is wrong.
        tf.errors.InvalidArgumentError: the shape is wrong when the graph runs.
    """
    image = tf.convert_to_tensor(image)
    check_shapes(image.shape, None, num_channels)
    known = [image] if label is None else [image, label]
    if asserts and not all(each.shape.is_fully_defined() for each in known):
        return asserted_shapes(image, label, num_channels)
    return tf.ensure_shape(image, [None] * 4 + [num_channels])
