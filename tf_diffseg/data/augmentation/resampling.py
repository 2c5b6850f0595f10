"""Resamples image and label once, whatever movements there are."""

import itertools
import math

import tensorflow as tf

# XLA makes one loop that reads all neighbours and computes. It takes less than half the
# time of separate TensorFlow operations.
_HAS_XLA = tf.test.is_built_with_xla()


def resample(
    image,
    label,
    spacing_mm,
    matrix,
    shift_mm=(0.0, 0.0, 0.0),
    displacement_mm=None,
    start=None,
    shape=None,
):
    """Moves a volume and returns a box of the result.

    A voxel at p mm from the centre of the box moves to matrix @ p + shift_mm. The image
    is interpolated linearly, the label takes its nearest voxel. Voxels from outside of
    the volume get the smallest value of their channel, and background as label, even
    if other voxels of the label are ignored.

    Args:
        image: float (x, y, z, channels), read as float32.
        label: class ids (x, y, z).
        spacing_mm: float (3,).
        matrix: float (3, 3), invertible.
        shift_mm: float (3,).
        displacement_mm: float, broadcast to (3, *shape), or None. It is added to the
            place from which each voxel of the box is read.
        start: int (3,), first voxel of the box; it may lie outside of the volume.
            Default 0.
        shape: three ints or int (3,), voxels of the box. Default: the whole volume.

    Returns:
        (image, label) of shapes (*shape, channels) and shape; the image is float32.
    """
    image, label = tf.cast(image, tf.float32), tf.convert_to_tensor(label)
    spacing_mm = tf.cast(spacing_mm, tf.float32)
    start = tf.zeros([3], tf.int32) if start is None else start
    static_shape = label.shape if shape is None else _static(shape)
    shape = tf.shape(label) if shape is None else tf.convert_to_tensor(shape)

    half = (tf.cast(shape, tf.float32) - 1.0) / 2.0
    inverse = tf.linalg.inv(matrix)
    # From voxels to mm from the centre, back through the matrix, and to voxels again.
    backward = inverse * spacing_mm[tf.newaxis] / spacing_mm[:, tf.newaxis]
    centre = tf.cast(start, tf.float32) + half
    centre -= tf.linalg.matvec(inverse, tf.convert_to_tensor(shift_mm)) / spacing_mm

    displacement: tuple = ()
    if displacement_mm is not None:
        displacement = (displacement_mm / tf.reshape(spacing_mm, [3, 1, 1, 1]),)
    darkest = tf.reduce_min(image, axis=[0, 1, 2])
    if not label.shape.is_fully_defined():
        image, label, low = _part_that_is_read(
            image, label, half, backward, centre, *displacement
        )
        centre -= tf.cast(low, tf.float32)
    source = (*_in_one_row(image, label), tf.shape(label), darkest)
    movement = (backward, centre, *displacement)
    if None in static_shape:
        new_image, new_label = _read(shape, *source, *movement)
    else:
        new_image, new_label = _read_compiled(tuple(static_shape), *source, *movement)
    return (
        tf.ensure_shape(new_image, [*static_shape, image.shape[-1]]),
        tf.ensure_shape(new_label, static_shape),
    )


def _part_that_is_read(image, label, half, backward, centre, displacement=None):
    """Cuts out the part of the volume from which a patch is read.

    Copies are then as large as the patch, not as the volume. `half`, float (3,), leads
    from the centre of the patch to its last voxel; for the others see `_read`.

    Returns:
        (image, label, first voxel int (3,)) of the part, which is never empty.
    """
    reach = tf.linalg.matvec(tf.abs(backward), half)
    low, high = centre - reach, centre + reach
    if displacement is not None:
        low += tf.reduce_min(displacement, axis=[1, 2, 3])
        high += tf.reduce_max(displacement, axis=[1, 2, 3])
    # One voxel more for the neighbours, and one for rounding.
    end = tf.cast(tf.shape(label), tf.float32)
    low = tf.cast(tf.clip_by_value(tf.floor(low) - 1.0, 0.0, end - 1.0), tf.int32)
    high = tf.cast(tf.clip_by_value(tf.floor(high) + 3.0, 1.0, end), tf.int32)
    size = tf.maximum(high - low, 1)
    image = tf.slice(image, tf.pad(low, [[0, 1]]), [*tf.unstack(size), -1])
    return image, tf.slice(label, low, size), low


def _in_one_row(image, label):
    """Flattens the voxels: image (n, channels) and label (n,).

    Voxels of unknown shape are padded to one of few lengths, because XLA compiles for
    each length anew.
    """
    image = tf.reshape(image, [-1, tf.shape(image)[-1]])
    label = tf.reshape(label, [-1])
    if label.shape[0] is None:
        size = tf.size(label)
        doublings = tf.math.log(tf.cast(size, tf.float32)) / math.log(2.0)
        length = tf.bitwise.left_shift(1, tf.cast(doublings, tf.int32) + 1)
        padding = tf.maximum(length - size, 0)
        image = tf.pad(image, [[0, padding], [0, 0]])
        label = tf.pad(label, [[0, padding]])
    return image, label


def _read(
    shape, image, label, volume_shape, darkest, backward, centre, displacement=None
):
    """Interpolates a box.

    Args:
        shape: three ints or int (3,), voxels of the box.
        image: float (n, channels), flattened voxels of the volume.
        label: class ids (n,).
        volume_shape: int (3,).
        darkest: float (channels,), value of the image outside of the volume.
        backward: float (3, 3), from voxels of the box to voxels of the volume.
        centre: float (3,), voxel of the volume that is read for the centre of the box.
        displacement: float, broadcast to (3, *shape), in voxels, or None.

    Returns:
        (image, label) of shapes (*shape, channels) and shape.
    """
    num_channels = tf.size(darkest)
    flat_image = tf.reshape(image, [-1])
    source = [
        _source_along(axis, shape, volume_shape, backward, centre, displacement)
        for axis in range(3)
    ]

    def voxels_at(places):
        index, is_inside = _flat_index(volume_shape, places)
        # Single numbers, because XLA reads rows slowly.
        index = index[..., tf.newaxis] * num_channels + tf.range(num_channels)
        read = tf.gather(flat_image, index)  # (x, y, z, channels)
        return tf.where(is_inside[..., tf.newaxis], read, darkest)

    floors = [tf.floor(places) for places in source]
    x, y, z = (tf.cast(floor, tf.int32) for floor in floors)
    neighbours = itertools.product((0, 1), repeat=3)
    values = [voxels_at((x + i, y + j, z + k)) for i, j, k in neighbours]
    for places, floor in zip(source, floors, strict=True):
        share = (places - floor)[..., tf.newaxis]
        half = len(values) // 2
        values = [
            near + share * (far - near)
            for near, far in zip(values[:half], values[half:], strict=True)
        ]
    nearest = [tf.cast(tf.floor(places + 0.5), tf.int32) for places in source]
    index, is_inside = _flat_index(volume_shape, nearest)
    return values[0], tf.where(is_inside, tf.gather(label, index), 0)


_read_compiled = tf.function(_read, jit_compile=_HAS_XLA, autograph=False)


def _source_along(axis, shape, volume_shape, backward, centre, displacement):
    """Places along an axis, float (x, y, z), from which a box is read; see `_read`."""
    source = centre[axis]
    for box_axis in range(3):
        size = tf.cast(shape[box_axis], tf.float32)
        from_centre = tf.range(size) - (size - 1.0) / 2.0
        along_box_axis = [-1 if axis == box_axis else 1 for axis in range(3)]
        source += tf.reshape(backward[axis, box_axis] * from_centre, along_box_axis)
    if displacement is not None:
        source += displacement[axis]
    # Farther outside nothing changes, and integers stay small.
    return tf.clip_by_value(source, -2.0, tf.cast(volume_shape[axis] + 1, tf.float32))


def _flat_index(shape, voxels):
    """Returns (flat index, is_inside) of voxels (x, y, z); outside the index is 0."""
    x, y, z = voxels
    is_inside = (x >= 0) & (x < shape[0]) & (y >= 0) & (y < shape[1])
    is_inside &= (z >= 0) & (z < shape[2])
    index = (x * shape[1] + y) * shape[2] + z
    return tf.where(is_inside, index, 0), is_inside


def cut(image, label, start, shape):
    """Cuts a box out of a volume, as `resample` does without a movement.

    Args:
        image: (x, y, z, channels).
        label: class ids (x, y, z).
        start: int (3,), first voxel of the box; it may lie outside of the volume.
        shape: three ints or int (3,), voxels of the box.

    Returns:
        (image, label) of shapes (*shape, channels) and shape.
    """
    image, label = tf.convert_to_tensor(image), tf.convert_to_tensor(label)
    start, volume_shape = tf.convert_to_tensor(start), tf.shape(label)
    static_shape = _static(shape)
    low = tf.clip_by_value(start, 0, volume_shape)
    high = tf.clip_by_value(start + shape, low, volume_shape)
    kept = high - low
    before = tf.clip_by_value(low - start, 0, shape - kept)
    padding = tf.stack([before, shape - kept - before], axis=1)
    padding_image = tf.pad(padding, [[0, 1], [0, 0]])
    part = tf.slice(image, tf.pad(low, [[0, 1]]), [*tf.unstack(kept), -1])
    part_label = tf.pad(tf.slice(label, low, kept), padding)

    def padded():
        # tf.pad takes one value for all channels.
        inside = tf.pad(tf.ones([*tf.unstack(kept), 1], tf.bool), padding_image)
        darkest = tf.reduce_min(image, axis=[0, 1, 2])
        return tf.where(inside, tf.pad(part, padding_image), darkest)

    part = tf.cond(tf.reduce_any(padding > 0), padded, lambda: part)
    return (
        tf.ensure_shape(part, [*static_shape, image.shape[-1]]),
        tf.ensure_shape(part_label, static_shape),
    )


def _static(shape):
    static = tf.get_static_value(tf.convert_to_tensor(shape))
    return [None] * 3 if static is None else [int(size) for size in static]
