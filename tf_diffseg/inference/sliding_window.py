"""Blends windows of one shape over a volume of any size.

A network works best on the shape that it was trained on: instance normalisation takes
its statistics over all voxels that the network sees, and the cost of attention grows
with the square of their number. Windows have the Gaussian weights of nnU-Net (Isensee
et al. 2021, arXiv 1904.08128).
"""

import numpy as np
import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import MaskEncoding
from tf_diffseg.diffusion.noise import derived_seeds
from tf_diffseg.preprocessing.crop_pad import crop_or_pad

# Standard deviation of the weights, as a share of the window's size, as in nnU-Net.
_SIGMA = 1 / 8
# Smaller probabilities count as this one, so that they have a logarithm.
_SMALLEST_PROBABILITY = 1e-7
# Accumulators lie in the memory of the host, even if the network runs on a GPU.
_HOST = "/CPU:0"


class SlidingWindow:
    """Samples a volume window by window.

    Windows overlap, and their logits are blended: at each voxel the weights sum to 1,
    and the window with its centre nearest to the voxel has the largest weight. A volume
    that is smaller than the window is padded with its darkest value, and the result is
    cropped. The result for a volume of one window is that of `sample`, bit for bit.

    The noise of a window depends only on its position and the seed, not on its batch or
    the other windows. The window at the origin has the unchanged seed.

    If `sample` takes seeds of several samples, so do windows: each window is encoded
    once for all of them.

    All operations are TensorFlow's and take unknown sizes; the graph holds `sample`
    once. Windows move along x, and finished voxels leave the accumulator, which is as
    long as one window.

    Args:
        sample: sample function, see `sampling`: it gives probabilities [batch, x, y, z,
            *output_shape], or [batch, x, y, z, samples, *output_shape].
        window_shape: (x, y, z) voxels.
        output_shape: shape that `sample` gives for a voxel of one sample:
            (num_classes,) or (steps, num_classes).
        overlap: smallest share of a window that its neighbour covers too.
        batch_size: how many windows are sampled at a time.
        progress: Python function (number of windows that are done since the last call,
            number of windows of a volume), which the graph calls; a window counts once
            per sample. A graph that calls it cannot be saved.
        encoding: `MaskEncoding` of the probabilities that `sample` gives.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        sample,
        window_shape,
        output_shape,
        overlap=0.5,
        batch_size=1,
        progress=None,
        encoding=MaskEncoding.EXCLUSIVE,
    ):
        self.sample = sample
        self.progress = progress
        self.encoding = MaskEncoding(encoding)
        self.window_shape = tuple(window_shape)
        self.output_shape = tuple(output_shape)
        self.overlap = overlap
        self.batch_size = batch_size
        if len(self.window_shape) != 3 or min(self.window_shape) < 1:
            raise ValueError(
                f"window_shape must be 3 positive integers, got {self.window_shape}"
            )
        if not 0.0 <= overlap < 1.0:
            raise ValueError(f"overlap must be in [0, 1), got {overlap}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")

    def __call__(self, image, seed):
        """Samples volumes.

        Args:
            image: float [batch, x, y, z, channels].
            seed: int [batch], or [batch, samples] if `sample` takes it.

        Returns:
            Probabilities, float32 [batch, x, y, z, *output_shape], or for several
            samples [batch, x, y, z, samples, *output_shape].
        """
        with tf.device(_HOST):
            image, seed = tf.convert_to_tensor(image), tf.convert_to_tensor(seed)
            shape = tf.shape(image)[1:4]
            padded_shape = tf.maximum(shape, self.window_shape)
            padded = _pad(image, padded_shape)
            axes = [
                _Axis(padded_shape[axis], size, self.overlap)
                for axis, size in enumerate(self.window_shape)
            ]
            blended = self._blend(padded, seed, axes)
            cropped = tf.map_fn(
                lambda volume: crop_or_pad(volume, shape, 0.0),
                blended,
                parallel_iterations=1,
            )
            static_shape = [*image.shape[:4], *seed.shape[1:], *self.output_shape]
            return tf.ensure_shape(cropped, static_shape)

    def _blend(self, image, seed, axes):
        """Samples all windows, slab by slab along x."""
        along_x, along_y, along_z = axes
        batch = tf.shape(image)[0]
        voxel_shape = tf.concat([tf.shape(seed)[1:], self.output_shape], axis=0)
        is_single = tf.equal(along_x.count * along_y.count * along_z.count, 1)
        # [batch, y, z, window x, values]: a window adds to contiguous memory.
        accumulator_shape = [
            batch,
            along_y.size,
            along_z.size,
            self.window_shape[0],
            tf.reduce_prod(voxel_shape),
        ]

        def next_slab(index, accumulator, done):
            accumulator = self._add_slab(
                accumulator, image, seed, axes, index, is_single
            )
            num_rows = along_x.num_rows(index)
            rows = self._finished(accumulator[:, :, :, :num_rows], is_single)
            rest = accumulator[:, :, :, num_rows:]
            new = tf.zeros_like(accumulator[:, :, :, :num_rows])
            return index + 1, tf.concat([rest, new], axis=3), done.write(index, rows)

        done = tf.TensorArray(
            tf.float32, size=along_x.count, infer_shape=False, element_shape=None
        )
        _, _, done = tf.while_loop(
            lambda index, *_: index < along_x.count,
            next_slab,
            (tf.constant(0), tf.zeros(accumulator_shape), done),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([None] * 5),
                tf.TensorShape(None),
            ),
            parallel_iterations=1,
        )
        blended = done.concat()  # [x, batch, y, z, values]
        order = [1, 0, 2, 3, 4]
        blended = tf.transpose(tf.ensure_shape(blended, [None] * 5), order)
        shape = tf.concat([tf.shape(blended)[:4], voxel_shape], axis=0)
        return tf.reshape(blended, shape)

    def _finished(self, rows, is_single):
        """Blended logits [batch, y, z, x, values] to probabilities, x first."""
        rows = tf.transpose(rows, [3, 0, 1, 2, 4])
        logits = tf.reshape(rows, [-1, self.output_shape[-1]])
        to_probabilities = _softmax if self.encoding.is_exclusive else tf.sigmoid
        probabilities = tf.cond(
            is_single, lambda: logits, lambda: to_probabilities(logits)
        )
        return tf.reshape(probabilities, tf.shape(rows))

    def _add_slab(self, accumulator, image, seed, axes, index_x, is_single):
        """Adds the windows of all volumes at one place along x."""
        along_x, along_y, along_z = axes
        per_volume = along_y.count * along_z.count
        total = tf.shape(image)[0] * per_volume

        def next_batch(first, accumulator):
            number = tf.range(first, tf.minimum(first + self.batch_size, total))
            volume, place = number // per_volume, number % per_volume
            index = (
                tf.fill(tf.shape(number), index_x),
                place // along_z.count,
                place % along_z.count,
            )
            pairs = list(zip(axes, index, strict=True))
            starts = tf.stack([tf.gather(axis.starts, i) for axis, i in pairs], axis=1)
            # [n, x, y, z, values]
            values = self._sample_windows(image, seed, volume, starts, is_single)
            values *= _outer([tf.gather(axis.weights, i) for axis, i in pairs])
            values = tf.transpose(values, [0, 2, 3, 1, 4])
            where = self._voxels(volume, starts)
            added = tf.tensor_scatter_nd_add(accumulator, where, values)
            if self.progress is not None:
                num_done = tf.size(tf.gather(seed, volume))
                with tf.control_dependencies([added]):
                    num_windows = along_x.count * per_volume
                    tf.numpy_function(self.progress, [num_done, num_windows], [])
            return first + self.batch_size, added

        _, accumulator = tf.while_loop(
            lambda first, _: first < total,
            next_batch,
            (tf.constant(0), accumulator),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None] * 5)),
            parallel_iterations=1,
        )
        return accumulator

    def _sample_windows(self, image, seed, volume, starts, is_single):
        """Logits [n, x, y, z, values] of windows; probabilities if there is one."""
        size = [1, *self.window_shape, -1]

        def cut(place):
            begin = tf.concat([place, [0]], axis=0)
            return tf.slice(image, begin, size)[0]

        windows = tf.map_fn(
            cut,
            tf.concat([volume[:, tf.newaxis], starts], axis=1),
            fn_output_signature=image.dtype,
        )
        windows = tf.ensure_shape(windows, [None, *self.window_shape, image.shape[-1]])
        seeds = _window_seeds(tf.gather(seed, volume), starts)
        with tf.device(None):
            probabilities = self.sample(windows, seeds)
        values = tf.reshape(
            tf.cast(probabilities, tf.float32),
            [tf.shape(windows)[0], *self.window_shape, -1],
        )
        return tf.cond(is_single, lambda: values, lambda: self._logits(values))

    def _logits(self, probabilities):
        """Logits of probabilities, up to a constant that softmax removes."""
        log = tf.math.log(tf.maximum(probabilities, _SMALLEST_PROBABILITY))
        if self.encoding.is_exclusive:
            return log
        return log - tf.math.log(tf.maximum(1.0 - probabilities, _SMALLEST_PROBABILITY))

    def _voxels(self, volume, starts):
        """Indices (volume, y, z) of windows in an accumulator, [n, y, z, 3]."""
        _, size_y, size_z = self.window_shape
        y = starts[:, 1, tf.newaxis, tf.newaxis] + tf.range(size_y)[:, tf.newaxis]
        z = starts[:, 2, tf.newaxis, tf.newaxis] + tf.range(size_z)
        shape = [tf.shape(volume)[0], size_y, size_z]
        volume = volume[:, tf.newaxis, tf.newaxis]
        return tf.stack([tf.broadcast_to(i, shape) for i in (volume, y, z)], axis=-1)


def num_windows(size, window, overlap):
    """Number of windows along an axis of `size` voxels, at least those of a window."""
    step = max(1, int(window * (1.0 - overlap)))
    return (size - window + step - 1) // step + 1


class _Axis:
    """The windows along one axis.

    Attributes:
        size: voxels of the volume, at least those of a window.
        count: number of windows.
        starts: int [count], first voxel of each window; they are evenly spread.
        weights: float32 [count, window]; at each voxel they sum to 1. So do their
            products, the weights of all combinations of windows along three axes.
    """

    def __init__(self, size, window, overlap):
        self.size = size
        self.count = num_windows(size, window, overlap)
        gaps = tf.maximum(self.count - 1, 1)
        # Floats would be too coarse for long axes.
        self.starts = (tf.range(self.count) * (size - window) + gaps // 2) // gaps
        position = np.arange(window) - (window - 1) / 2
        gaussian = np.exp(-0.5 * np.square(position / (_SIGMA * window)))
        gaussian = tf.constant(gaussian, tf.float32)
        voxels = self.starts[:, tf.newaxis] + tf.range(window)
        total = tf.tensor_scatter_nd_add(
            tf.zeros([size]),
            voxels[..., tf.newaxis],
            tf.broadcast_to(gaussian, tf.shape(voxels)),
        )
        self.weights = gaussian / tf.gather(total, voxels)

    def num_rows(self, index):
        """Number of voxels that no later window reaches: up to the next start."""
        ends = tf.concat([self.starts[1:], [self.size]], axis=0)
        return ends[index] - self.starts[index]


def _pad(image, shape):
    """Pads volumes [batch, x, y, z, c] with their darkest values."""

    def pad(volume):
        return crop_or_pad(volume, shape, tf.reduce_min(volume, axis=(0, 1, 2)))

    return tf.map_fn(pad, image, parallel_iterations=1)


def _softmax(logits):
    """Softmax of blended logarithms of probabilities, [n, num_classes].

    They lie between log(`_SMALLEST_PROBABILITY`) and 0, so that `exp` cannot overflow.
    A product with a matrix of ones sums so few numbers twice as fast as
    `tf.reduce_sum`.
    """
    unscaled = tf.exp(logits)
    num_classes = logits.shape[-1]
    return unscaled / (unscaled @ tf.ones([num_classes, num_classes]))


def _window_seeds(seeds, starts):
    """Seeds [n, ...] of windows from those of their volumes and starts [n, 3]."""
    x, y, z = tf.unstack(starts, axis=1)
    # One negative number per position; `sample_seeds` derives from positive ones.
    position = -((x * 2048 + y) * 1024 + z)
    is_origin = tf.reduce_all(tf.equal(starts, 0), axis=1)
    if seeds.shape.rank == 2:
        position, is_origin = position[:, tf.newaxis], is_origin[:, tf.newaxis]
    position = tf.broadcast_to(position, tf.shape(seeds))
    derived = derived_seeds(tf.reshape(seeds, [-1]), tf.reshape(position, [-1]))
    return tf.where(is_origin, seeds, tf.reshape(derived, tf.shape(seeds)))


def _outer(weights):
    """Products [n, x, y, z, 1] of the weights [n, size] along each axis."""
    x, y, z = weights
    return (
        x[:, :, tf.newaxis, tf.newaxis, tf.newaxis]
        * y[:, tf.newaxis, :, tf.newaxis, tf.newaxis]
        * z[:, tf.newaxis, tf.newaxis, :, tf.newaxis]
    )
