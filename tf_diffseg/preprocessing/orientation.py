"""Any axis order to RAS+ and back, in TensorFlow operations.

An affine maps voxel indices to world millimetres; right, anterior and superior are
positive. RAS+ (canonical) orientation is the reordering and flipping of voxel axes that
brings them nearest to the world's. Nothing is interpolated, so an oblique volume stays
oblique.
"""

import itertools

import tensorflow as tf

# [6, 3]: each row gives the voxel axes that become world axes 0, 1 and 2.
_PERMUTATIONS = tuple(itertools.permutations(range(3)))


def canonical_axes(affine):
    """Finds how voxel axes must be reordered and flipped to be RAS+.

    The 3 x 3 part is replaced by the nearest orthonormal matrix (its polar factor), so
    that anisotropic spacing and shear do not count. The result is the permutation that
    is nearest to this matrix.

    Args:
        affine: float (4, 4), voxel to world.

    Returns:
        `(permutation, flips)`: int32 (3,), the voxel axis that becomes each canonical
        axis, and bool (3,), whether canonical axes run backwards.
    """
    return _canonical_axes(tf.cast(affine, tf.float32))


# One graph for all calls: a volume's way to its grid and back asks dozens of times.
@tf.function(input_signature=[tf.TensorSpec([4, 4])], autograph=False)
def _canonical_axes(affine):
    matrix = affine[:3, :3]
    matrix = tf.math.divide_no_nan(matrix, tf.norm(matrix, axis=0))
    _, left, right = tf.linalg.svd(matrix)
    rotation = tf.matmul(left, right, transpose_b=True)  # (world, voxel)
    # (permutation, world, voxel)
    choices = tf.one_hot(tf.constant(_PERMUTATIONS), 3)
    agreement = tf.reduce_sum(choices * tf.abs(rotation), axis=(1, 2))
    best = tf.argmax(agreement)
    permutation = tf.gather(tf.constant(_PERMUTATIONS), best)
    flips = tf.reduce_sum(choices[best] * rotation, axis=1) < 0
    return permutation, flips


def canonical_order(values, affine):
    """Puts one value per voxel axis (3,), a shape or a spacing, in RAS+ order."""
    permutation, _ = canonical_axes(affine)
    return tf.gather(values, permutation)


def _flip(volume, flips):
    return tf.reverse(volume, tf.cast(tf.where(flips)[:, 0], tf.int32))


def _transpose(volume, permutation):
    trailing = tf.range(3, volume.shape.rank)
    transposed = tf.transpose(volume, tf.concat([permutation, trailing], axis=0))
    # TensorFlow does not know the size of any axis after a dynamic permutation.
    return tf.ensure_shape(transposed, [None, None, None, *volume.shape[3:]])


def to_canonical(volume, affine):
    """Reorders a volume to RAS+.

    Args:
        volume: (i, j, k, ...), any type.
        affine: float (4, 4), voxel to world.

    Returns:
        `(volume, affine)`: (x, y, z, ...) and its float32 affine; every voxel keeps
        its place in the world.
    """
    volume = tf.convert_to_tensor(volume)
    permutation, flips = canonical_axes(affine)
    canonical = _flip(_transpose(volume, permutation), flips)
    return canonical, canonical_affine(affine, tf.shape(volume)[:3])


def canonical_affine(affine, shape):
    """Affine of a volume in RAS+.

    Args:
        affine: float (4, 4), of the file.
        shape: int (3,), of the file.

    Returns:
        float32 (4, 4).
    """
    affine = tf.cast(affine, tf.float32)
    permutation, flips = canonical_axes(affine)
    last = tf.cast(canonical_order(shape, affine) - 1, tf.float32)
    # Column d: the step in source indices of one canonical step along d.
    steps = tf.one_hot(permutation, 3, axis=0) * tf.where(flips, -1.0, 1.0)
    to_source_axes = tf.math.invert_permutation(permutation)
    start = tf.gather(tf.where(flips, last, 0.0), to_source_axes)
    to_source = tf.concat([steps, start[:, tf.newaxis]], axis=1)
    to_source = tf.concat([to_source, [[0.0, 0.0, 0.0, 1.0]]], axis=0)
    return tf.matmul(affine, to_source)


def from_canonical(volume, source_affine):
    """Undoes `to_canonical`.

    Args:
        volume: (x, y, z, ...), in RAS+.
        source_affine: float (4, 4), the affine given to `to_canonical`.

    Returns:
        The volume (i, j, k, ...) on the source's axes.
    """
    volume = tf.convert_to_tensor(volume)
    permutation, flips = canonical_axes(source_affine)
    return _transpose(_flip(volume, flips), tf.math.invert_permutation(permutation))
