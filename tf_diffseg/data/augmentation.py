"""Random changes of a case: pure functions of image, label and a stateless seed."""

import math

import tensorflow as tf

AXES = "xyz"


def augment(
    image, label, spacing_mm, seed, rotation_degrees=0.0, zoom=0.0, flip_axes=""
):
    """Rotates, zooms and flips an image and its label alike.

    Args:
        image: float (x, y, z, channels).
        label: class ids (x, y, z).
        spacing_mm: float (3,), voxel size. Rotations are those of the body, also
            where voxels are longer than wide.
        seed: stateless seed [2].
        rotation_degrees: largest rotation about each axis, either way.
        zoom: largest change of size, as a share; 0.1 gives 1/1.1 to 1.1.
        flip_axes: axes along which half of the cases are mirrored, of "xyz".

    Returns:
        (image, label) of the same shapes and types.

    Raises:
        ValueError: an axis is none of "xyz".
    """
    unknown = sorted(set(flip_axes) - set(AXES))
    if unknown:
        raise ValueError(f"flip_axes must be of {AXES!r}, got {flip_axes!r}")
    seeds = tf.unstack(tf.random.split(seed, 3, alg=tf.random.Algorithm.PHILOX))
    matrix = tf.eye(3)
    if rotation_degrees:
        largest = math.radians(rotation_degrees)
        matrix = rotation_matrix(largest * _symmetric(seeds[0], [3]))
    if zoom:
        matrix *= tf.exp(math.log1p(zoom) * _symmetric(seeds[1], []))
    if flip_axes:
        may_flip = tf.constant([axis in flip_axes for axis in AXES])
        flips = may_flip & (_symmetric(seeds[2], [3]) > 0.0)
        matrix = matrix * tf.where(flips, -1.0, 1.0)
    if not (rotation_degrees or zoom or flip_axes):
        return image, label
    return resample_affine(image, label, spacing_mm, matrix)


def rotation_matrix(angles):
    """Rotation about x, then y, then z.

    Args:
        angles: float (3,), in radians, counterclockwise.

    Returns:
        float (3, 3).
    """
    (sin_x, sin_y, sin_z), (cos_x, cos_y, cos_z) = (
        tf.unstack(tf.sin(angles)),
        tf.unstack(tf.cos(angles)),
    )
    about_x = tf.stack([[1.0, 0.0, 0.0], [0.0, cos_x, -sin_x], [0.0, sin_x, cos_x]])
    about_y = tf.stack([[cos_y, 0.0, sin_y], [0.0, 1.0, 0.0], [-sin_y, 0.0, cos_y]])
    about_z = tf.stack([[cos_z, -sin_z, 0.0], [sin_z, cos_z, 0.0], [0.0, 0.0, 1.0]])
    return about_z @ about_y @ about_x


def resample_affine(image, label, spacing_mm, matrix):
    """Moves what lies at p mm from the centre of the volume to matrix @ p.

    The image is interpolated linearly, the label takes its nearest voxel. What
    comes from outside is the darkest of the image per channel, and background.

    Args:
        image: float (x, y, z, channels).
        label: class ids (x, y, z).
        spacing_mm: float (3,).
        matrix: float (3, 3), invertible.

    Returns:
        (image, label) of the same shapes and types.
    """
    shape = tf.shape(label)
    centre = (tf.cast(shape, tf.float32) - 1.0) / 2.0
    indices = tf.meshgrid(
        *[tf.range(size) for size in tf.unstack(shape)], indexing="ij"
    )
    voxels = tf.cast(tf.reshape(tf.stack(indices, axis=-1), [-1, 3]), tf.float32)
    # In voxels: to mm from the centre, back through the matrix, and to voxels again.
    backward = (
        tf.linalg.inv(matrix) * spacing_mm[tf.newaxis] / spacing_mm[:, tf.newaxis]
    )
    source = tf.matmul(voxels - centre, backward, transpose_b=True) + centre

    # One voxel around takes in all that lies outside.
    darkest = tf.reduce_min(image, axis=[0, 1, 2])
    around = [[1, 1], [1, 1], [1, 1]]
    padded_image = tf.pad(image - darkest, [*around, [0, 0]])
    padded_label = tf.pad(label, around)
    limit = tf.cast(shape, tf.float32) + 1.0
    source = tf.clip_by_value(source + 1.0, 0.0, limit)

    new_label = tf.gather_nd(padded_label, tf.cast(tf.round(source), tf.int32))
    below = tf.minimum(tf.floor(source), limit - 1.0)
    fraction, below = source - below, tf.cast(below, tf.int32)
    new_image = tf.zeros([tf.shape(voxels)[0], tf.shape(image)[-1]])
    for corner in range(8):
        offset = tf.constant([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
        weight = tf.reduce_prod(tf.where(offset > 0, fraction, 1.0 - fraction), axis=1)
        values = tf.gather_nd(padded_image, below + offset)
        new_image += weight[:, tf.newaxis] * values
    new_image = tf.reshape(new_image + darkest, tf.shape(image))
    new_label = tf.reshape(new_label, shape)
    return tf.ensure_shape(new_image, image.shape), tf.ensure_shape(
        new_label, label.shape
    )


def _symmetric(seed, shape):
    """Uniform in [-1, 1)."""
    return tf.random.stateless_uniform(
        shape, seed, -1.0, 1.0, alg=tf.random.Algorithm.PHILOX
    )
