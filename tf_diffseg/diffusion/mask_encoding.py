"""Converts labels to x_start in [-1, 1], and logits back to probabilities.

Probabilities are float32 even if logits have half precision.
"""

import tensorflow as tf

from tf_diffseg.diffusion.choices import MaskEncoding
from tf_diffseg.diffusion.precision import as_floats


def label_to_mask(label, num_classes):
    """One-hot mask of exclusive classes.

    Args:
        label: class ids, int of shape [...].
        num_classes: number of classes, background included.

    Returns:
        float32 mask of shape [..., num_classes]; ids out of range are all zeros.
    """
    return tf.one_hot(label, num_classes, dtype=tf.float32)


def label_to_region_mask(label, regions):
    """Mask of overlapping classes, each a set of label ids.

    Args:
        label: label ids, int of shape [...].
        regions: for each class, the ids that it consists of; for BraTS
            [(1, 2, 4), (1, 4), (4,)], whole tumour, core and enhancing.

    Returns:
        float32 mask of shape [..., len(regions)].
    """
    label = tf.convert_to_tensor(label)
    regions = [tf.constant(list(region), label.dtype) for region in regions]
    masks = [
        tf.reduce_any(label[..., tf.newaxis] == region, axis=-1) for region in regions
    ]
    return tf.cast(tf.stack(masks, axis=-1), tf.float32)


def probabilities_to_label(probabilities, region_labels=None):
    """Label ids from the probabilities of the classes.

    Args:
        probabilities: shape [..., num_classes].
        region_labels: for overlapping classes, the id of each class. A voxel gets the
            id of the last class with a probability above 0.5, or 0 if there is none.
            None for exclusive classes.

    Returns:
        int32 of shape [...].
    """
    if region_labels is None:
        return tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    label = tf.zeros(tf.shape(probabilities)[:-1], tf.int32)
    for region, label_id in enumerate(region_labels):
        label = tf.where(probabilities[..., region] > 0.5, label_id, label)
    return label


def mask_to_x_start(mask):
    """Scales a mask from [0, 1] to [-1, 1].

    Args:
        mask: one-hot mask or probabilities.

    Returns:
        x_start, same shape.
    """
    (mask,) = as_floats(mask)
    return 2.0 * mask - 1.0


def logits_to_probabilities(logits, encoding=MaskEncoding.EXCLUSIVE):
    """Probabilities of the classes.

    Args:
        logits: shape [..., num_classes].
        encoding: a `MaskEncoding` or its value.

    Returns:
        Probabilities in [0, 1], same shape; they sum to 1 if classes are exclusive.
    """
    (logits,) = as_floats(logits)
    if MaskEncoding(encoding).is_exclusive:
        return tf.nn.softmax(logits)
    return tf.sigmoid(logits)


def logits_to_x_start(logits, encoding=MaskEncoding.EXCLUSIVE):
    """The x_start that logits predict.

    Args:
        logits: shape [..., num_classes].
        encoding: a `MaskEncoding` or its value.

    Returns:
        x_start in [-1, 1], same shape.
    """
    return mask_to_x_start(logits_to_probabilities(logits, encoding))


def x_start_to_probabilities(x_start):
    """Scales x_start back to [0, 1] and clips it to this range.

    Args:
        x_start: encoded mask; one computed from predicted noise may leave [-1, 1].

    Returns:
        Values in [0, 1], same shape.
    """
    (x_start,) = as_floats(x_start)
    return tf.clip_by_value((x_start + 1.0) / 2.0, 0.0, 1.0)
