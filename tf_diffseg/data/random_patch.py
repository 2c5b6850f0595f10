"""Draws where random patches of a case lie."""

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import happens, split, uniform


def patch_start(
    label,
    patch_shape,
    seed,
    foreground_share=0.0,
    balance_classes=False,
    ignored_id=None,
):
    """Draws where a patch lies.

    Args:
        label: class ids (x, y, z).
        patch_shape: three ints.
        seed: stateless seed [2].
        foreground_share: share of patches that are centred on a foreground voxel, as
            far as the ends of the volume allow; nnU-Net takes a third. The other
            patches, and those of a volume without foreground, lie anywhere.
        balance_classes: whether each class that is present is drawn with the same
            probability, or else each foreground voxel.
        ignored_id: id of voxels whose class is not known, which are neither foreground
            nor background; None if there are none. In a volume with such voxels the
            other patches are centred on voxels of a known class, as in nnU-Net:
            elsewhere there may be nothing to learn.

    Returns:
        int32 (3,), first voxel. It is negative if the patch is longer than the volume
        and reaches beyond it on both sides.
    """
    missing = patch_shape - tf.shape(label)
    # Half of the padding comes before the volume; the odd voxel comes after it.
    longest_start = tf.maximum(-missing, 0)
    before = tf.maximum(missing, 0) // 2
    seed_kind, seed_place = split(seed, 2)
    # Rounding may lift the product to the number itself.
    places = uniform(seed_place, [3]) * tf.cast(longest_start + 1, tf.float32)
    anywhere = tf.minimum(tf.cast(places, tf.int32), longest_start)

    def centred_on(centre):
        return tf.clip_by_value(
            centre - tf.constant(patch_shape) // 2, 0, longest_start
        )

    is_foreground = label > 0
    if ignored_id is not None:
        is_known = label != ignored_id
        is_foreground &= is_known
        anywhere = tf.cond(
            tf.reduce_any(is_known) & ~tf.reduce_all(is_known),
            lambda: centred_on(
                tf.cast(_one_of(tf.where(is_known), seed_place), tf.int32)
            ),
            lambda: anywhere,
        )
    if not foreground_share:
        return tf.ensure_shape(anywhere, [3]) - before
    start = tf.cond(
        happens(seed_kind, foreground_share) & tf.reduce_any(is_foreground),
        lambda: centred_on(
            _foreground_voxel(label, is_foreground, seed_place, balance_classes)
        ),
        lambda: anywhere,
    )
    return tf.ensure_shape(start, [3]) - before


def _foreground_voxel(label, is_foreground, seed, balance_classes):
    """Draws a voxel, int32 (3,), of a label that has foreground."""
    seed_class, seed_voxel = split(seed, 2)
    chosen = is_foreground
    if balance_classes:
        counts = tf.math.bincount(tf.reshape(tf.where(is_foreground, label, 0), [-1]))
        # Background, the first, must not be drawn.
        present = tf.where(tf.concat([[0], counts[1:]], axis=0) > 0)[:, 0]
        chosen = label == tf.cast(_one_of(present, seed_class), label.dtype)
    return tf.cast(_one_of(tf.where(chosen), seed_voxel), tf.int32)


def _one_of(values, seed):
    num = tf.shape(values)[0]
    index = tf.random.stateless_uniform(
        [], seed, 0, num, tf.int32, alg=tf.random.Algorithm.PHILOX
    )
    return values[index]
