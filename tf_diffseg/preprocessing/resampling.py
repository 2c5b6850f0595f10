"""Linear resampling to a voxel spacing and back, without aliasing.

Both grids cover the same field of view: they share its centre, and voxel edges, not
voxel centres, lie on its border. The interpolation is separable. Each axis is a product
with a small matrix of weights, a triangle around every output voxel. It is one input
voxel wide for enlarging and one *output* voxel wide for shrinking, which averages the
frequencies that would alias.
"""

import tensorflow as tf

# For each axis of (x, y, z, c): weights (new, old) times that axis.
_CONTRACTIONS = ("xi,iyzc->xyzc", "yi,xizc->xyzc", "zi,xyic->xyzc")

# Spacings with a smaller relative difference are equal: headers store them in float32,
# and an oblique affine rounds them.
_SAME_SPACING = 1e-4


def voxel_spacing(affine):
    """Spacing (3,) in mm of the voxel axes of an affine (4, 4)."""
    return tf.norm(tf.cast(affine, tf.float32)[:3, :3], axis=0)


def spacing_ratio(source_mm, target_mm):
    """Target over source spacing (3,), exactly 1 if they agree."""
    ratio = tf.cast(target_mm, tf.float32) / tf.cast(source_mm, tf.float32)
    return tf.where(tf.abs(ratio - 1.0) < _SAME_SPACING, 1.0, ratio)


def resampled_shape(shape, ratio):
    """Shape (3,) that covers a grid's field of view, at least one voxel."""
    size = tf.round(tf.cast(shape, tf.float32) / ratio)
    return tf.maximum(tf.cast(size, tf.int32), 1)


def resampled_affine(affine, ratio, shape, new_shape):
    """Affine (4, 4) of the grid that `resample` fills."""
    affine = tf.cast(affine, tf.float32)
    # Source index of the new grid's first voxel, as in _weights.
    start = (1.0 - tf.cast(new_shape, tf.float32)) / 2.0 * ratio
    start += (tf.cast(shape, tf.float32) - 1.0) / 2.0
    origin = tf.linalg.matvec(affine[:3, :3], start) + affine[:3, 3]
    top = tf.concat([affine[:3, :3] * ratio, origin[:, tf.newaxis]], axis=1)
    return tf.concat([top, affine[3:]], axis=0)


def _weights(size, new_size, ratio):
    """Weights (new_size, size) of one axis; every row sums to 1."""
    centre = (tf.cast(size, tf.float32) - 1.0) / 2.0
    new_centre = (tf.cast(new_size, tf.float32) - 1.0) / 2.0
    position = tf.range(tf.cast(new_size, tf.float32)) - new_centre
    position = position * ratio + centre  # in source voxels
    distance = tf.abs(
        position[:, tf.newaxis] - tf.range(tf.cast(size, tf.float32))[tf.newaxis]
    )
    weights = tf.maximum(1.0 - distance / tf.maximum(ratio, 1.0), 0.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def resample(volume, ratio, new_shape):
    """Resamples a volume about its centre.

    Args:
        volume: float32 (x, y, z, channels).
        ratio: float32 (3,), new over old spacing, from `spacing_ratio`. If it is 1 and
            the size stays, voxels keep their values exactly.
        new_shape: int32 (3,), from `resampled_shape`, or on the way back the shape
            that it was given.

    Returns:
        float32 (x', y', z', channels).
    """
    shape = tf.shape(volume)
    for axis, contraction in enumerate(_CONTRACTIONS):
        weights = _weights(shape[axis], new_shape[axis], ratio[axis])
        volume = tf.einsum(contraction, weights, volume)
    return volume


def resample_label(label, ratio, new_shape):
    """Gives each new voxel the class with most weight.

    This is the argmax of the resampled one-hot encoding, on a tie the lower class.
    Memory holds only one class at a time.

    Args:
        label: int32 (x, y, z).
        ratio: as for `resample`.
        new_shape: as for `resample`.

    Returns:
        int32 (x', y', z').
    """

    def keep_larger(best, class_id):
        best_share, best_class = best
        mask = tf.cast(tf.equal(label, class_id), tf.float32)
        share = resample(mask[..., tf.newaxis], ratio, new_shape)[..., 0]
        share = tf.ensure_shape(share, best_share.shape)
        larger = share > best_share
        return (
            tf.where(larger, share, best_share),
            tf.where(larger, class_id, best_class),
        )

    nothing = (tf.zeros(new_shape), tf.zeros(new_shape, tf.int32))
    class_ids = tf.range(tf.reduce_max(label) + 1)
    return tf.foldl(keep_larger, class_ids, initializer=nothing)[1]
