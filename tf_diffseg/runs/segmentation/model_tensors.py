"""What a segmenting graph is given."""

import tensorflow as tf


def model_tensors(image, affine, seed):
    """A volume, its affine and the seed as tensors."""
    return (
        tf.constant(image, tf.float32),
        tf.constant(affine, tf.float32),
        tf.constant(seed, tf.int32),
    )
