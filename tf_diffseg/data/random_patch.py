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
    image = tf.convert_to_tensor(image)
    shape = tf.shape(label)
    kept = tf.minimum(shape, patch_shape)
    num_places = shape - kept + 1
    uniform = tf.random.stateless_uniform([3], seed, alg=tf.random.Algorithm.PHILOX)
    start = tf.cast(uniform * tf.cast(num_places, tf.float32), tf.int32)
    start = tf.minimum(start, num_places - 1)
    image_patch = tf.slice(image, tf.pad(start, [[0, 1]]), [*tf.unstack(kept), -1])
    label_patch = tf.slice(label, start, kept)

    missing = patch_shape - kept
    padding = tf.stack([missing // 2, missing - missing // 2], axis=1)
    # tf.pad takes one value for all channels.
    inside = tf.pad(tf.ones([*tf.unstack(kept), 1], tf.bool), _and_channels(padding))
    image_patch = tf.pad(image_patch, _and_channels(padding))
    darkest = tf.reduce_min(image, axis=[0, 1, 2])
    image_patch = tf.where(inside, image_patch, darkest)
    return (
        tf.ensure_shape(image_patch, [*patch_shape, image.shape[-1]]),
        tf.ensure_shape(tf.pad(label_patch, padding), patch_shape),
    )


def _and_channels(padding):
    return tf.pad(padding, [[0, 1], [0, 0]])
