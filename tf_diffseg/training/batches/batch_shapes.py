"""Checks shapes of image and label before a step, with an error of one line."""

import re

import tensorflow as tf

_IMAGE = "[batch, x, y, z, channels]"
_LABEL = "[batch, x, y, z]"


def check_batches(data, num_channels, prefix="", with_label=True):
    """Checks the shapes in arguments of `fit`, `evaluate` or `predict`.

    Args:
        data: tuple (x, y), of arrays or of a source of batches and None; or x alone.
            The only source with known shapes is a `tf.data.Dataset`.
        num_channels: channels of the image.
        prefix: beginning of the message.
        with_label: whether there has to be a label.

    Raises:
        ValueError: a shape is wrong, there is no example, the label is missing, or
            there are weights.
    """
    example = _example(data)
    if example is None:
        return
    image, label, weight = example
    if weight is not None:
        raise ValueError(f"{prefix}sample weights are not supported")
    if with_label and label is None:
        raise ValueError(
            f"{prefix}expected image and label, as a pair or a dict with these keys, "
            "got no label"
        )
    try:
        check_shapes(image.shape, label.shape if with_label else None, num_channels)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
    if tf.TensorShape(image.shape)[:1] == [0]:
        raise ValueError(f"{prefix}image must have an example, got {image.shape}")


def check_shapes(image_shape, label_shape, num_channels):
    """Checks the shapes of image and label, as far as they are known.

    Args:
        image_shape: a `tf.TensorShape` or a tuple.
        label_shape: the same, maybe with a last axis of 1; None without a label.
        num_channels: channels of the image.

    Raises:
        ValueError: a shape is wrong, or the two do not fit together.
    """
    image_shape = tf.TensorShape(image_shape)
    if not image_shape.is_compatible_with([None] * 4 + [num_channels]):
        raise ValueError(
            f"image must have shape {_IMAGE} {(None,) * 4 + (num_channels,)}, "
            f"got {image_shape}"
        )
    if label_shape is None:
        return
    label_shape = tf.TensorShape(label_shape)
    voxels = label_shape
    if label_shape.rank == 5 and label_shape[-1] in (1, None):
        voxels = label_shape[:-1]
    if not voxels.is_compatible_with([None] * 4):
        raise ValueError(
            f"label must have shape {_LABEL} {(None,) * 4}, got {label_shape}"
        )
    if image_shape.rank and not voxels.is_compatible_with(image_shape[:4]):
        raise ValueError(
            f"label must have as many examples and voxels as image, {_LABEL} "
            f"{image_shape[:4]}, got {label_shape}"
        )


def asserted_shapes(image, label, num_channels):
    """Asserts the shapes of image and label when the graph runs.

    Args:
        image: float tensor whose shape is not fully known.
        label: tensor [batch, x, y, z], or None.
        num_channels: channels of the image.

    Returns:
        The image. If a shape is wrong, its graph raises a
        `tf.errors.InvalidArgumentError`, see `wrong_shape_message`.
    """
    shape = tf.shape(image)
    expected = f"image must have shape {_IMAGE} {(None,) * 4 + (num_channels,)}, got "
    checks = [
        _assert(tf.equal(tf.size(shape), 5), expected, shape),
        _assert(tf.equal(shape[-1], num_channels), expected, shape),
    ]
    if label is not None:
        label_shape = tf.shape(label)
        same = tf.reduce_all(tf.equal(shape[:4], label_shape))
        text = f"label must have as many examples and voxels as image, {_LABEL}, got "
        checks.append(_assert(same, text, label_shape, " for an image ", shape))
    with tf.control_dependencies([check for check in checks if check is not None]):
        image = tf.identity(image)
    # Not `tf.ensure_shape`: TensorFlow runs it first, so its error would come.
    image.set_shape([None] * 4 + [num_channels])
    return image


def _assert(condition, *parts):
    texts = [
        part if isinstance(part, str) else tf.strings.format("{}", part)
        for part in parts
    ]
    return tf.debugging.Assert(condition, [tf.strings.join(texts)])


def wrong_shape_message(error):
    """The message of `asserted_shapes` in an error of TensorFlow; None in another."""
    found = re.search(
        r"assertion failed: \[((?:image|label) must have [^\n]*)\]", str(error)
    )
    return found and found.group(1)


def _example(data):
    """(image, label, weight), which have shapes or are None; None if unknown."""
    if isinstance(data, tf.data.Dataset):
        return _example(data.element_spec)
    if isinstance(data, tuple):
        data = tuple(part for part in data if part is not None)
        if len(data) == 1:
            return _example(data[0])
        if not all(_has_shape(part) for part in data) or not 2 <= len(data) <= 3:
            return None
        return (*data, None)[:3]
    if isinstance(data, dict):
        if not _has_shape(data.get("image")):
            return None
        return data["image"], data.get("label"), None
    return (data, None, None) if _has_shape(data) else None


def _has_shape(value):
    return isinstance(getattr(value, "shape", None), (tuple, tf.TensorShape))
