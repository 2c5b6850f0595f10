"""Scales image intensities to a network's range, per channel, and back."""

import math
import typing

import tensorflow as tf

from tf_diffseg.preprocessing.choices import Intensity

PERCENTILES = (0.5, 99.5)
# Percentiles with a smaller relative difference are equal: resampling rounds the values
# of a constant background.
_ROUNDING = 1e-6
# To save memory, only one slab of an image at a time is converted to float64.
_SLABS = 16


class Scaling(typing.NamedTuple):
    """`(clip(image, low, high) - offset) / scale`, each float32 (c,) or (1,).

    `low` and `high` are None if no channel is clipped. `is_flat`, bool (c,) or (1,),
    is true for channels whose percentiles are equal, so that the whole range is used.
    """

    low: tf.Tensor | None
    high: tf.Tensor | None
    offset: tf.Tensor
    scale: tf.Tensor
    is_flat: tf.Tensor


def _unclipped(offset, scale):
    return Scaling(None, None, offset, scale, tf.zeros_like(offset, tf.bool))


def _to_unit(low, high):
    """The `Scaling` that clips to [low, high] and maps it to [-1, 1]."""
    # The sum and the difference of large numbers would be infinite, so halve them.
    low_half, high_half = low / 2.0, high / 2.0
    offset, scale = low_half + high_half, high_half - low_half
    return Scaling(low, high, offset, scale, tf.zeros_like(offset, tf.bool))


def _percentile(image):
    low, high = percentile_range(image)
    # If nearly all voxels have one value, such as in a PET of few lesions, the
    # percentiles would leave nothing, or only rounding of the resampling.
    rounding = _ROUNDING * tf.maximum(tf.abs(low), tf.abs(high))
    is_flat = high - low <= rounding
    low = tf.where(is_flat, tf.reduce_min(image, axis=(0, 1, 2)), low)
    high = tf.where(is_flat, tf.reduce_max(image, axis=(0, 1, 2)), high)
    return _to_unit(low, high)._replace(is_flat=is_flat)


def _with_limits(scaling):
    """A `Scaling` with limits, infinite ones if it had none."""
    if scaling.low is not None:
        return scaling
    infinity = tf.fill(tf.shape(scaling.offset), math.inf)
    return scaling._replace(low=-infinity, high=infinity)


def _of_channels(scalings):
    """One `Scaling` (c,) of c channels from one (1,) of each."""
    if any(scaling.low is not None for scaling in scalings):
        scalings = [_with_limits(scaling) for scaling in scalings]
    return Scaling(
        *(
            None if parts[0] is None else tf.concat(parts, axis=0)
            for parts in zip(*scalings, strict=True)
        )
    )


def _sum_of_slabs(function, image):
    """Sums (c,) of a function of float64 voxels, computed slab by slab."""
    size = tf.shape(image)[0]

    def add(index, total):
        slab = image[size * index // _SLABS : size * (index + 1) // _SLABS]
        slab = function(tf.cast(slab, tf.float64))
        return index + 1, total + tf.reduce_sum(slab, axis=(0, 1, 2))

    zeros = tf.zeros(tf.shape(image)[3:], tf.float64)
    _, total = tf.while_loop(
        lambda index, _: index < _SLABS,
        add,
        (0, tf.ensure_shape(zeros, image.shape[3:])),
        parallel_iterations=1,  # otherwise a graph holds all slabs at once
    )
    return total


def _zscore(image):
    # Sums in float64, once rounded, do not depend on the number of threads: the
    # converter and a server get the same bits. And the mean of a constant channel is
    # exactly its value, so that no rounding is amplified.
    # A large scan has more voxels than int32 counts.
    count = tf.reduce_prod(tf.cast(tf.shape(image)[:3], tf.float64))
    mean = _sum_of_slabs(lambda slab: slab, image) / count
    squares = _sum_of_slabs(lambda slab: tf.square(slab - mean), image)
    deviation = tf.cast(tf.sqrt(squares / count), tf.float32)
    return _unclipped(tf.cast(mean, tf.float32), deviation)


def percentile_range(image):
    """The 0.5 and 99.5 percentiles (c,) of (x, y, z, c), linear between ranks."""
    channels = tf.transpose(tf.reshape(image, [-1, tf.shape(image)[-1]]))
    last = tf.shape(channels)[-1] - 1
    low, high = PERCENTILES
    # Only voxels near each end are sorted: all would take several volumes of memory.
    below, above, part = _ranks(last, low)
    lowest = -tf.math.top_k(-channels, above + 1).values  # (c, ranks)
    low = _between(lowest[:, below], lowest[:, above], part)
    below, above, part = _ranks(last, high)
    highest = tf.math.top_k(channels, last - below + 1).values
    high = _between(highest[:, last - below], highest[:, last - above], part)
    return low, high


def _ranks(last, percentile):
    """`(rank below, rank above, part)` of a percentile among ranks 0 to `last`."""
    rank = tf.cast(last, tf.float64) * (percentile / 100.0)
    below = tf.cast(tf.floor(rank), tf.int32)
    above = tf.cast(tf.math.ceil(rank), tf.int32)
    return below, above, tf.cast(rank - tf.floor(rank), tf.float32)


def _between(low, high, part):
    """`low + part * (high - low)`, in halves since this difference may be infinite."""
    low_half = low / 2.0
    return 2.0 * (low_half + part * (high / 2.0 - low_half))


def _scaling(image, intensity, ct_window):
    """The `Scaling` of channels that share one `Intensity`."""
    if intensity is Intensity.ZSCORE:
        return _zscore(image)
    if intensity is Intensity.PERCENTILE:
        return _percentile(image)
    if intensity is Intensity.CT_WINDOW:
        low, high = ct_window
        return _to_unit(tf.constant([low]), tf.constant([high]))
    return _unclipped(tf.zeros([1]), tf.ones([1]))


def scaling_of(image, intensity, ct_window=None):
    """Computes the `Scaling` of an image.

    Args:
        image: float32 (x, y, z, c).
        intensity: an `Intensity`, or one per channel.
        ct_window: (low, high) in Hounsfield units for `Intensity.CT_WINDOW`; with an
            `Intensity` per channel, a window or None per channel.

    Raises:
        ValueError: if there are not as many channels as `Intensity`s.
    """
    if isinstance(intensity, Intensity):
        return _scaling(image, intensity, ct_window)
    if image.shape[-1] != len(intensity):
        raise ValueError(
            f"image must have {len(intensity)} channels, one per intensity, "
            f"got {image.shape[-1]}"
        )
    windows = ct_window or [None] * len(intensity)
    per_channel = [
        _scaling(image[..., channel : channel + 1], kind, window)
        for channel, (kind, window) in enumerate(zip(intensity, windows, strict=True))
    ]
    return _of_channels(per_channel)


def apply_scaling(image, scaling):
    """Scales (x, y, z, c); a constant channel becomes 0, never NaN."""
    if scaling.low is not None:
        image = tf.clip_by_value(image, scaling.low, scaling.high)
    return tf.math.divide_no_nan(image - scaling.offset, scaling.scale)


def undo_scaling(image, scaling):
    """Undoes `apply_scaling`, except for rounding and clipping."""
    return image * scaling.scale + scaling.offset


def normalize(image, intensity, ct_window=None):
    """Scales the intensities of an image, see `scaling_of`.

    Returns:
        float32 (x, y, z, c), finite for every finite image.
    """
    image = tf.convert_to_tensor(image)
    return apply_scaling(image, scaling_of(image, intensity, ct_window))
