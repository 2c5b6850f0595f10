"""One resampling of image and label, for whatever moves their voxels."""

import tensorflow as tf

from tf_diffseg.data.augmentation.along_axes import channels_first, channels_last


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
    """A box of the volume after a movement, read from the volume before it.

    What lies at p mm from the centre of the box moves to matrix @ p + shift_mm. The
    image is interpolated linearly, the label takes its nearest voxel. What comes from
    outside of the volume is the darkest of the image per channel, and background.

    Args:
        image: float (x, y, z, channels).
        label: class ids (x, y, z).
        spacing_mm: float (3,).
        matrix: float (3, 3), invertible.
        shift_mm: float (3,).
        displacement_mm: float, broadcast to (3, *shape), or None: how far from there
            each voxel of the box is read.
        start: int (3,), first voxel of the box; it may lie outside. Default 0.
        shape: three ints or int (3,), voxels of the box. Default: the volume's.

    Returns:
        (image, label) of shapes (*shape, channels) and shape.
    """
    volume_shape = tf.shape(label)
    start = tf.zeros([3], tf.int32) if start is None else start
    static_shape = label.shape if shape is None else _static(shape)
    shape = volume_shape if shape is None else tf.convert_to_tensor(shape)

    half = (tf.cast(shape, tf.float32) - 1.0) / 2.0
    inverse = tf.linalg.inv(matrix)
    # From voxels to mm from the centre, back through the matrix, and to voxels again.
    backward = inverse * spacing_mm[tf.newaxis] / spacing_mm[:, tf.newaxis]
    centre = tf.cast(start, tf.float32) + half
    centre -= tf.linalg.matvec(inverse, tf.convert_to_tensor(shift_mm)) / spacing_mm

    # Only what is read is worth preparing: a patch may be a small part of a volume.
    reach = tf.linalg.matvec(tf.abs(backward), half)
    if displacement_mm is not None:
        farthest = tf.reduce_max(tf.abs(displacement_mm), axis=[1, 2, 3])
        reach += farthest / spacing_mm
    low = tf.cast(tf.floor(centre - reach), tf.int32)
    high = tf.cast(tf.floor(centre + reach), tf.int32) + 1
    low = tf.clip_by_value(low, 0, volume_shape - 1)
    high = tf.clip_by_value(high, low, volume_shape - 1)
    kept = high + 1 - low
    part = tf.slice(image, tf.pad(low, [[0, 1]]), [*tf.unstack(kept), -1])
    part_label = tf.slice(label, low, kept)

    # One voxel around stands for all that lies outside; the second at the far end is
    # there to be read with weight 0.
    around = [[1, 2], [1, 2], [1, 2]]
    darkest = tf.reduce_min(image, axis=[0, 1, 2])
    channels = channels_first(part - darkest)
    channels = tf.pad(channels, [[0, 0], *around])
    part_label = tf.pad(part_label, around)
    source = _source_voxels(backward, centre - tf.cast(low - 1, tf.float32), half)
    if displacement_mm is not None:
        source = [
            source[axis] + displacement_mm[axis] / spacing_mm[axis] for axis in range(3)
        ]
    limit = tf.cast(kept, tf.float32) + 1.0
    source = [
        tf.clip_by_value(tf.reshape(source[axis], [-1]), 0.0, limit[axis])
        for axis in range(3)
    ]
    new_image = _linear(channels, source) + darkest[:, tf.newaxis]
    new_label = _nearest(part_label, source)
    new_image = channels_last(tf.reshape(new_image, [-1, *tf.unstack(shape)]))
    return (
        tf.ensure_shape(new_image, [*static_shape, image.shape[-1]]),
        tf.ensure_shape(tf.reshape(new_label, shape), static_shape),
    )


def cut(image, label, start, shape):
    """A box of the volume as it is; what `resample` gives for no movement.

    Args:
        image: (x, y, z, channels).
        label: class ids (x, y, z).
        start: int (3,), first voxel of the box; it may lie outside.
        shape: three ints or int (3,), voxels of the box.

    Returns:
        (image, label) of shapes (*shape, channels) and shape.
    """
    volume_shape = tf.shape(label)
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


def _source_voxels(backward, centre, half):
    """Where each voxel of a box is read: float (3, x, y, z).

    Args:
        backward: float (3, 3), from voxels of the box to voxels of the volume.
        centre: float (3,), where the centre of the box is read.
        half: float (3,), the last voxel of the box, counted from its centre.
    """
    x, y, z = (tf.range(-half[axis], half[axis] + 0.5) for axis in range(3))
    along_x, along_y, along_z = tf.unstack(backward[:, :, tf.newaxis], axis=1)
    # A sum of one term per axis: no (voxels, 3) matrix product is needed.
    lines = along_x * x + centre[:, tf.newaxis]  # (3, x)
    planes = (along_y * y)[:, :, tf.newaxis] + (along_z * z)[:, tf.newaxis]
    # Long rows are added faster than short ones: (3, x, 1) and (3, 1, y * z).
    places = lines[:, :, tf.newaxis] + tf.reshape(planes, [3, 1, -1])
    return tf.reshape(places, [3, tf.size(x), tf.size(y), tf.size(z)])


def _linear(channels, source):
    """Values (channels, n) between voxels, at three floats [n] inside the volume."""
    floors = [tf.floor(places) for places in source]
    x, y, z = (places - floor for places, floor in zip(source, floors, strict=True))
    index, (along_x, along_y) = _flat_index(tf.shape(channels)[1:], floors)
    flat = tf.reshape(channels, [tf.shape(channels)[0], -1])
    # A row of all eight neighbours takes as long to read as one voxel does. Whole rows
    # are written and read; what is in between is done on one neighbour of all voxels.
    offsets = [i + j + k for i in (0, along_x) for j in (0, along_y) for k in (0, 1)]
    size = tf.shape(flat)[1] - offsets[-1]
    neighbours = tf.stack([flat[:, start : start + size] for start in offsets])
    rows = tf.transpose(tf.reshape(neighbours, [-1, size]))  # (size, 8 * channels)
    read = tf.transpose(_at(rows, index))  # (8 * channels, n)
    values = tf.unstack(tf.reshape(read, [8, -1, tf.shape(index)[0]]))
    for share in (x, y, z):
        half = len(values) // 2
        values = [
            near + share * (far - near)
            for near, far in zip(values[:half], values[half:], strict=True)
        ]
    return values[0]


def _nearest(label, source):
    index, _ = _flat_index(tf.shape(label), [places + 0.5 for places in source])
    return _at(tf.reshape(label, [-1]), index)


def _at(values, index):
    """`tf.gather`; with short rows this takes two thirds of its time."""
    return tf.gather_nd(values, index[:, tf.newaxis])


def _flat_index(shape, places):
    """Index into a flat volume, [n], and how far the next x and the next y lie."""
    x, y, z = (tf.cast(place, tf.int32) for place in places)
    along_y = shape[2]
    return (x * shape[1] + y) * along_y + z, (shape[1] * along_y, along_y)
