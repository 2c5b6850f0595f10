"""The mask of a coarser resolution, for deep supervision."""

import tensorflow as tf

from tf_diffseg.training.batches.ignored_voxels import UNKNOWN, split_ignored


def coarse_mask(mask, factor, padded_to):
    """Share of each class in blocks of voxels.

    Args:
        mask: [batch, x, y, z, num_classes], in [0, 1]; it may be of `mark_ignored`.
        factor: (x, y, z) voxels of a block.
        padded_to: (x, y, z), multiples of `factor`; the network pads volumes at their
            ends to a shape that these divide.

    Returns:
        float32 [batch, x', y', z', num_classes], the shares among the voxels of a block
        that are known, and `UNKNOWN` where none is.
    """
    mask, is_labelled = split_ignored(mask)
    known = tf.cast(is_labelled[..., tf.newaxis], mask.dtype)
    padding = -tf.shape(mask)[1:4] % tf.constant(padded_to)
    padding = tf.pad(padding[:, tf.newaxis], [[1, 1], [1, 0]])
    both = tf.pad(tf.concat([mask, known], axis=-1), padding)
    both = tf.nn.avg_pool3d(both, factor, factor, "VALID")
    share, known = both[..., :-1], both[..., -1:]
    return tf.where(known > 0.0, tf.math.divide_no_nan(share, known), UNKNOWN)
