"""What an export computes: its signatures, and what it refuses."""

import copy

import tensorflow as tf

from tf_diffseg.inference import sample_seeds, sum_over_samples
from tf_diffseg.preprocessing.source_grid import SourceGrid
from tf_diffseg.serving.nifti_decoder import NiftiHeader, decode_voxels, read_header
from tf_diffseg.serving.requirements import (
    check_affine,
    product,
    require,
    shape_text,
)

# 512 slices of 512x512.
MAX_VOXELS = 2**27


class ServedModel:
    """The functions that become signatures of a SavedModel.

    Every tensor has a batch axis. A wrong request raises
    `tf.errors.InvalidArgumentError`, which says what was expected.

    Args:
        segmenter: a `Segmenter` whose `sample` runs the model.
        num_channels: number of channels of the images.
        weights: `StoredWeights` of the model.
        num_samples: number of samples to average.
        batch_size: number of samples to draw at a time.
        max_voxels: largest number of voxels that the volumes of a request may have
            together as they are sent, and each of them on the network's grid.
        request_batch: number of volumes in a request; None for any number.

    Raises:
        ValueError: one volume of the network's shape has more voxels than allowed.
    """

    def __init__(
        self,
        segmenter,
        num_channels,
        weights,
        num_samples=1,
        batch_size=1,
        max_voxels=MAX_VOXELS,
        request_batch=None,
    ):
        self._segmenter = _with_shared_network(segmenter, weights)
        self._num_channels = num_channels
        self._num_samples = num_samples
        self._batch_size = batch_size
        self._max_voxels = max_voxels
        self._request_batch = request_batch
        # Volumes and files share what comes after reading, in one function.
        volume = tf.TensorSpec([None, None, None, num_channels])
        specs = [volume, tf.TensorSpec([4, 4]), tf.TensorSpec([], tf.int32)]
        self._segment = tf.function(
            self._segment_one, input_signature=specs, autograph=False
        )
        # Only a `SlidingWindow` has one; other functions take any shape.
        self._window_shape = getattr(segmenter.sample, "window_shape", (1, 1, 1))
        volume_shape = segmenter.preprocessor.volume_shape or (1, 1, 1)
        for shape in (self._window_shape, volume_shape):
            if product(shape) > max_voxels:
                raise ValueError(
                    f"max_voxels must be at least those of {tuple(shape)}, which the "
                    f"network takes, got {max_voxels}"
                )

    def signatures(self):
        """Dict from name to `tf.function`."""
        batch, channels = self._request_batch, self._num_channels
        image = tf.TensorSpec([batch, None, None, None, channels], name="image")
        affine = tf.TensorSpec([batch, 4, 4], name="affine")
        seed = tf.TensorSpec([batch], tf.int32, name="seed")
        contents = tf.TensorSpec([batch], tf.string, name="contents")
        specs = {
            "serving_default": (self.serving_default, [image, seed]),
            "segment_volume": (self.segment_volume, [image, affine, seed]),
            "segment_nifti": (self.segment_nifti, [contents, seed]),
        }
        return {
            # Nothing here is for AutoGraph, which would take half of the time.
            name: tf.function(function, input_signature=signature, autograph=False)
            for name, (function, signature) in specs.items()
        }

    def serving_default(self, image, seed):
        """Segments preprocessed images.

        Args:
            image: float32 [batch, x, y, z, channels].
            seed: int32 [batch].

        Returns:
            Dict of `label`, int32 [batch, x, y, z], class ids, and `probabilities`,
            float32 [batch, x, y, z, num_classes].
        """
        image, seed = self._checked(image, seed)
        padded = tf.maximum(tf.shape(image)[1:4], self._window_shape)
        image = self._check_size(image, padded, tf.shape(image)[0], "image")
        probabilities = self._mean_of_samples(image, seed)
        label = self._segmenter.label(probabilities)
        return {"label": label, "probabilities": probabilities}

    def segment_volume(self, image, affine, seed):
        """Segments volumes as stored in files.

        Args:
            image: float32 [batch, i, j, k, channels], axes in any order.
            affine: float32 [batch, 4, 4], voxel to world, RAS+, in millimetres.
            seed: int32 [batch].

        Returns:
            Dict of `label`, int32 [batch, i, j, k], label values of the data set, and
            `uncertainty`, float32 [batch, i, j, k], the entropy of the probabilities
            in nats.
        """
        image, seed = self._checked(image, seed)
        affine = tf.ensure_shape(affine, [None, 4, 4])
        affine = _check_one_for_each(affine, "affine", image)
        label, uncertainty = tf.map_fn(
            lambda volume: self._segment(*volume),
            (image, affine, seed),
            fn_output_signature=(
                tf.TensorSpec([None, None, None], tf.int32),
                tf.TensorSpec([None, None, None], tf.float32),
            ),
            parallel_iterations=1,
        )
        return {"label": label, "uncertainty": uncertainty}

    def segment_nifti(self, contents, seed):
        """Segments NIfTI files.

        Args:
            contents: string [batch], the bytes of .nii or .nii.gz files, whose
                volumes have one shape.
            seed: int32 [batch].

        Returns:
            Dict of `label`, int32 [batch, i, j, k], as in `segment_volume`; `affine`,
            float32 [batch, 4, 4], of the files; and `label_values`, int32
            [batch, class ids], the label value of each class id.
        """
        contents = tf.ensure_shape(contents, [self._request_batch])
        contents = require(
            contents, tf.size(contents) > 0, "expected the contents of a file, got none"
        )
        seed = tf.ensure_shape(seed, [self._request_batch])
        seed = _check_one_for_each(seed, "seed", contents)
        headers = tf.map_fn(
            lambda content: read_header(content, self._num_channels, self._max_voxels),
            contents,
            fn_output_signature=_HEADER_SPEC,
            parallel_iterations=1,
        )
        shape = headers.shape[0]
        headers = require(
            headers,
            tf.reduce_all(tf.equal(headers.shape, shape)),
            "expected files of volumes of one shape in one request, got others",
        )
        headers = self._check_size(headers, shape, tf.size(contents), "contents")
        label = tf.map_fn(
            lambda file: self._segment_file(*file),
            (contents, headers, seed),
            fn_output_signature=tf.TensorSpec([None, None, None], tf.int32),
            parallel_iterations=1,
        )
        values = tf.constant([self._segmenter.label_values], tf.int32)
        return {
            "label": label,
            "affine": tf.cast(headers.affine, tf.float32),
            "label_values": tf.repeat(values, tf.size(contents), axis=0),
        }

    def _mean_of_samples(self, image, seed):
        """Mean probabilities over the same seeds that `Segmenter.predict` uses."""
        seeds = tf.map_fn(
            lambda one: sample_seeds(one, self._num_samples),
            seed,
            fn_output_signature=tf.TensorSpec([self._num_samples], tf.int32),
        )

        def draw(seeds):
            samples = self._segmenter.samples(image, tf.transpose(seeds))
            return tf.reduce_sum(samples, axis=0), seeds

        at_a_time = self._segmenter.samples_at_a_time(image, 1)
        total, _ = sum_over_samples(draw, tf.transpose(seeds), at_a_time)
        return total / self._num_samples

    def _segment_file(self, contents, header, seed):
        image = decode_voxels(contents, header, self._num_channels)
        image = _check_finite(image, "the NIfTI file")
        return self._segment(image, tf.cast(header.affine, tf.float32), seed)[0]

    def _segment_one(self, image, affine, seed):
        """`(label, uncertainty)` [i, j, k] of a volume [i, j, k, channels]."""
        affine = check_affine(affine)
        image = self._check_resampled_size(image, affine)
        prediction = self._segmenter.predict(
            image, affine, seed, self._num_samples, self._batch_size
        )
        values = tf.constant(self._segmenter.label_values, tf.int32)
        return tf.gather(values, prediction.class_ids), prediction.entropy

    def _checked(self, image, seed):
        # A SavedModel does not check the shapes of its inputs itself.
        image = tf.ensure_shape(
            image, [self._request_batch, None, None, None, self._num_channels]
        )
        seed = tf.ensure_shape(seed, [self._request_batch])
        shape = tf.shape(image)
        image = require(
            image,
            tf.reduce_min(shape) >= 1,
            "expected image to hold voxels, got the shape ",
            shape_text(shape),
        )
        image = self._check_size(image, shape[1:4], shape[0], "image")
        image = _check_finite(image, "image")
        return image, _check_one_for_each(seed, "seed", image)

    def _check_size(self, values, shape, batch, name):
        """Passes values on if `batch` volumes of a shape are not too large."""
        return require(
            values,
            product(shape) * tf.cast(batch, tf.float64) <= self._max_voxels,
            f"expected at most {self._max_voxels} voxels in {name}, got ",
            batch,
            " of ",
            shape_text(shape),
        )

    def _check_resampled_size(self, image, affine):
        """Passes an image on if it is not too large on its way to the network."""
        shape = tf.shape(image)[:3]
        size, resampled = self._segmenter.preprocessor.grid_sizes(
            SourceGrid(shape, affine)
        )
        # Each axis is resampled by itself, by a matrix, and padded to a window.
        largest = tf.maximum(
            tf.maximum(size, resampled), tf.constant(self._window_shape, tf.float64)
        )
        matrix = tf.reduce_max(size) * tf.reduce_max(resampled)
        voxels = tf.maximum(tf.reduce_prod(largest), matrix)
        return require(
            image,
            voxels <= self._max_voxels,
            f"expected at most {self._max_voxels} voxels on the way to the grid of the "
            "network, shape ",
            shape_text(shape),
            " and affine come to ",
            voxels,
        )


def _with_shared_network(segmenter, weights):
    """A copy of a segmenter that runs on stored weights.

    All that calls the network calls one function: the graph holds it once for each
    shape that it takes, not in each signature, loop and branch.
    """
    segmenter, windows = copy.copy(segmenter), copy.copy(segmenter.sample)
    # Only a `SlidingWindow` samples windows.
    sample = getattr(windows, "sample", windows)

    @tf.function(autograph=False)
    def shared(image, seed):
        with weights.in_place():
            return sample(image, seed)

    if hasattr(windows, "sample"):
        windows.sample = shared
        segmenter.sample = windows
    else:
        segmenter.sample = shared
    return segmenter


_HEADER_SPEC = NiftiHeader(
    shape=tf.TensorSpec([3], tf.int64),
    affine=tf.TensorSpec([4, 4], tf.float64),
    type_index=tf.TensorSpec([], tf.int32),
    is_little_endian=tf.TensorSpec([], tf.bool),
    offset=tf.TensorSpec([], tf.int64),
    num_bytes=tf.TensorSpec([], tf.int64),
    slope=tf.TensorSpec([], tf.float64),
    intercept=tf.TensorSpec([], tf.float64),
)


def _check_finite(image, name):
    return require(
        image,
        tf.reduce_all(tf.math.is_finite(image)),
        f"expected finite voxels in {name}, got some that are NaN or infinite",
    )


def _check_one_for_each(values, name, volumes):
    batch, expected = tf.shape(values)[0], tf.shape(volumes)[0]
    return require(
        values,
        tf.equal(batch, expected),
        f"expected one {name} for each of ",
        expected,
        " volume(s), got ",
        batch,
    )
