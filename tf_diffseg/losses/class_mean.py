"""Mean of a loss over the classes that an example has."""

import tensorflow as tf

from tf_diffseg.losses.voxels import as_floats, spatial_axes


def mean_over_present_classes(loss, mask, include_background=True):
    """Averages over the classes that are in the ground truth.

    The Dice loss of an absent class is 1 for every prediction, be it a single voxel or
    the whole volume: a mean with it would only hide the classes that are there.

    Args:
        loss: shape [batch, num_classes].
        mask: ground truth, shape [batch, ..., num_classes].
        include_background: whether class 0 counts. Leave it True if classes overlap:
            then none of them is background.

    Returns:
        Loss of shape [batch], 0 with no gradient for an example without any class.
    """
    loss, mask = as_floats(loss, mask)
    is_present = tf.reduce_any(mask > 0.0, spatial_axes(mask))
    if not include_background:
        loss, is_present = loss[:, 1:], is_present[:, 1:]
    is_present = tf.cast(is_present, loss.dtype)
    return tf.math.divide_no_nan(
        tf.reduce_sum(loss * is_present, axis=-1), tf.reduce_sum(is_present, axis=-1)
    )
