"""Random patches of a case."""

import tensorflow as tf


def random_patch(image, label, patch_shape, seed):
    """Cuts the same patch, placed at random, out of an image and its label.

    Where an axis is shorter than the patch it is first padded on both sides: the
    image with its smallest value per channel, the label with background.

    Args:
        image: (x, y, z, channels).
        label: class ids (x, y, z).
        patch_shape: three ints.
        seed: stateless seed [2].

    Returns:
        (image, label) of shapes (*patch_shape, channels) and patch_shape.
    """
    shape = tf.shape(label)
    missing = tf.maximum(tf.constant(patch_shape) - shape, 0)
    padding = tf.stack([missing // 2, missing - missing // 2], axis=1)
    darkest = tf.reduce_min(image, axis=[0, 1, 2])
    # tf.pad takes one value for all channels: pad what lies above the darkest.
    image = tf.pad(image - darkest, tf.pad(padding, [[0, 1], [0, 0]])) + darkest
    label = tf.pad(label, padding)

    num_places = shape + missing - tf.constant(patch_shape) + 1
    uniform = tf.random.stateless_uniform([3], seed, alg=tf.random.Algorithm.PHILOX)
    start = tf.cast(uniform * tf.cast(num_places, tf.float32), tf.int32)
    start = tf.minimum(start, num_places - 1)
    image = tf.slice(image, tf.pad(start, [[0, 1]]), [*patch_shape, -1])
    return image, tf.slice(label, start, patch_shape)
