"""From the volume of a file to its label map and the uncertainty of it."""

from typing import NamedTuple

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import probabilities_to_label
from tf_diffseg.inference.sampling import sample_seeds, sum_over_samples
from tf_diffseg.preprocessing.old_calls import takes_parts

# Samples that share an encoding are held together, up to this many voxels: a volume of
# 256x256x256, or 8 samples of one of 128x128x128.
_MAX_VOXELS_AT_A_TIME = 2**24


class Prediction(NamedTuple):
    """Result of the samples of one volume; [i, j, k] is the grid of its file.

    Attributes:
        class_ids: int32 [i, j, k], of the mean probabilities.
        probabilities: float32 [i, j, k, num_classes], mean over the samples.
        entropy: float32 [i, j, k], of the mean probabilities, in nats: from 0 (one
            class is certain) to log(num_classes). If classes overlap, it is the sum
            of the entropies of each, at most num_classes * log(2).
        variance: float32 [i, j, k], of the probabilities over the samples, summed
            over the classes: from 0 (all samples agree, or there is one sample) to
            1 - 1 / num_classes.
        sample_voxels: int32 [num_samples, number of class ids], voxels of each class
            id in the label map of each sample.
        step_class_ids: int32 [steps, i, j, k], after each reverse step; one step
            unless the sample function gives all.
        preprocessed_class_ids: int32 [x, y, z], on the grid of the image in shards.
            This is the grid of the network, unless the scan was resampled for it (see
            `FittedPreprocessor`).
        preprocessed_entropy: float32 [x, y, z], on the same grid.
    """

    class_ids: tf.Tensor
    probabilities: tf.Tensor
    entropy: tf.Tensor
    variance: tf.Tensor
    sample_voxels: tf.Tensor
    step_class_ids: tf.Tensor
    preprocessed_class_ids: tf.Tensor
    preprocessed_entropy: tf.Tensor


class Segmenter:
    """Preprocesses a volume, samples, and returns to the grid of the file.

    All operations are TensorFlow's and take unknown spatial shapes, so that it runs
    eagerly and in an exported SavedModel.

    Args:
        sample: function (image [batch, x, y, z, channels], seed [batch]) ->
            probabilities [batch, x, y, z, num_classes], as
            `DiffusionUNet3D.sample`, or a `SlidingWindow` over it; see `sampling`.
        preprocessor: the `VolumePreprocessor` of the training data, or a
            `FittedPreprocessor` with the same arguments.
        label_values: value of each class id in the label files of the data set.
        region_labels: class id that each overlapping class is written as, see
            `probabilities_to_label`; None if classes are exclusive.
        shares_encoding: whether `sample` encodes an image once for several samples, and
            so takes their seeds [batch, samples].

    Example:
        >>> model = SegmentationUNet3D(num_classes=2, num_channels=(4,), num_heads=0)
        >>> segmenter = Segmenter(model.sample, VolumePreprocessor(), [0, 7])
        >>> segmenter(np.ones([8, 8, 8, 1], np.float32), np.eye(4, dtype="f4"), 0).shape
        TensorShape([8, 8, 8])
    """

    def __init__(
        self,
        sample,
        preprocessor,
        label_values,
        region_labels=None,
        shares_encoding=False,
    ):
        self.sample = sample
        self.shares_encoding = shares_encoding
        self.preprocessor = preprocessor
        self.label_values = tuple(label_values)
        self.region_labels = region_labels and tuple(region_labels)

    def samples(self, image, seeds):
        """Several samples of each image.

        Args:
            image: float [batch, x, y, z, channels], on the grid of the network.
            seeds: int [batch, samples].

        Returns:
            Probabilities, [samples, batch, x, y, z, ..., num_classes].
        """
        if self.shares_encoding:
            probabilities = self.sample(image, seeds)
            rank = probabilities.shape.rank
            return tf.transpose(probabilities, [4, 0, 1, 2, 3, *range(5, rank)])
        batch, num_samples = tf.unstack(tf.shape(seeds))
        images = tf.tile(image, [num_samples, 1, 1, 1, 1])
        probabilities = self.sample(images, tf.reshape(tf.transpose(seeds), [-1]))
        shape = tf.concat([[num_samples, batch], tf.shape(probabilities)[1:]], axis=0)
        return tf.reshape(probabilities, shape)

    def samples_at_a_time(self, image, batch_size):
        """Number of samples to draw at a time, int or int scalar.

        Args:
            image: float [batch, x, y, z, channels].
            batch_size: the number if each sample encodes the image by itself.
        """
        if not self.shares_encoding:
            return batch_size
        voxels = tf.reduce_prod(tf.shape(image, tf.int64)[:4])
        return tf.cast(tf.maximum(_MAX_VOXELS_AT_A_TIME // voxels, 1), tf.int32)

    def label(self, probabilities):
        """Class ids, int32 [...], of probabilities [..., num_classes]."""
        return probabilities_to_label(probabilities, self.region_labels)

    def __call__(self, image, affine, seed):
        """Segments one volume.

        Args:
            image: numeric [i, j, k, channels], axes in any order.
            affine: float [4, 4], from voxels to RAS+ in mm.
            seed: int scalar; the same seed gives the same segmentation.

        Returns:
            int32 [i, j, k], values of `label_values`.
        """
        volume = self.preprocessor.preprocess(image, affine)
        seed = tf.convert_to_tensor(seed)
        probabilities = self.sample(volume.image[tf.newaxis], seed[tf.newaxis])[0]
        class_ids = self.class_ids(probabilities, volume.source)
        return tf.gather(tf.constant(self.label_values, tf.int32), class_ids)

    @takes_parts("probabilities", "source_shape", "source_affine", "crop_box")
    def class_ids(self, probabilities, source):
        """Class ids on the grid of the file.

        Args:
            probabilities: [x, y, z, num_classes], on the preprocessed grid.
            source: `SourceGrid` of the volume.

        Returns:
            int32 [i, j, k].
        """
        return self.label(self._restore(probabilities, source))

    def _restore(self, probabilities, source):
        """Probabilities on the grid of the file."""
        background_class = 0 if self.region_labels is None else None
        return self.preprocessor.restore(probabilities, source, background_class)

    def predict(self, image, affine, seed, num_samples=1, batch_size=1):
        """Segments one volume several times.

        Args:
            image: as in `__call__`.
            affine: as in `__call__`.
            seed: int scalar, see `sample_seeds`.
            num_samples: how many samples to draw.
            batch_size: how many of them are drawn at a time.

        Returns:
            `Prediction`.

        Raises:
            ValueError: `num_samples` is less than 1.
        """
        volume = self.preprocessor.preprocess(image, affine)
        return self._predict(volume.image, volume.source, seed, num_samples, batch_size)

    @takes_parts(
        "image",
        "source_shape",
        "source_affine",
        "seed",
        "num_samples",
        "batch_size",
        "crop_box",
        "is_counted",
    )
    def predict_preprocessed(
        self, image, source, seed, num_samples=1, batch_size=1, is_counted=None
    ):
        """Like `predict`, but for a preprocessed volume.

        Args:
            image: float [x, y, z, channels], as shards hold it.
            source: `SourceGrid` of the image.
            seed: as in `predict`, like the next two.
            num_samples: how many samples to draw.
            batch_size: how many of them are drawn at a time.
            is_counted: bool [i, j, k] on the grid of the file: the voxels that
                `sample_voxels` counts; None for all.

        Returns:
            `Prediction`; raises ValueError like `predict`.
        """
        shown = self.preprocessor.from_stored(image, source)
        return self._predict(shown, source, seed, num_samples, batch_size, is_counted)

    def _predict(self, image, source, seed, num_samples, batch_size, is_counted=None):
        """`Prediction` of an image on the grid of the network."""
        (total, squares), voxels = sum_over_samples(
            lambda seeds: self._sums(image, seeds, source, is_counted),
            sample_seeds(seed, num_samples),
            self.samples_at_a_time(image[tf.newaxis], batch_size),
        )
        mean = total / num_samples  # [x, y, z, steps, classes]
        steps = tf.transpose(mean, [3, 0, 1, 2, 4])
        step_class_ids = tf.map_fn(
            lambda step: self.class_ids(step, source),
            steps,
            fn_output_signature=tf.TensorSpec([None, None, None], tf.int32),
            parallel_iterations=1,
        )
        probabilities = self._restore(steps[-1], source)
        spread = squares / num_samples - tf.reduce_sum(tf.square(probabilities), -1)
        if num_samples == 1:
            spread = tf.zeros_like(spread)
        class_ids, entropy = self.label(probabilities), self._entropy(probabilities)
        to_stored = self.preprocessor.to_stored
        return Prediction(
            class_ids=class_ids,
            probabilities=probabilities,
            entropy=entropy,
            variance=tf.maximum(spread, 0.0),
            sample_voxels=voxels,
            step_class_ids=step_class_ids,
            preprocessed_class_ids=to_stored(self.label(steps[-1]), class_ids, source),
            preprocessed_entropy=to_stored(self._entropy(steps[-1]), entropy, source),
        )

    def _sums(self, image, seeds, source, is_counted):
        """Draws some samples.

        Returns:
            Sums of their probabilities, on the grid of the network, and of the squares
            over samples and classes, on the grid of the file; and voxels per class id
            of each sample.
        """
        probabilities = self.samples(image[tf.newaxis], seeds[tf.newaxis])[:, 0]
        if probabilities.shape.rank == 5:
            probabilities = probabilities[..., tf.newaxis, :]
        num_class_ids = len(self.label_values)

        def measure(probabilities):
            restored = self._restore(probabilities, source)
            label = self.label(restored)
            if is_counted is not None:
                label = tf.boolean_mask(label, is_counted)
            voxels = tf.math.bincount(
                tf.reshape(label, [-1]),
                minlength=num_class_ids,
                maxlength=num_class_ids,
            )
            return tf.reduce_sum(tf.square(restored), axis=-1), voxels

        squares, voxels = tf.map_fn(
            measure,
            probabilities[..., -1, :],
            fn_output_signature=(
                tf.TensorSpec([None, None, None], tf.float32),
                tf.TensorSpec([num_class_ids], tf.int32),
            ),
            parallel_iterations=1,
        )
        sums = tf.reduce_sum(probabilities, axis=0), tf.reduce_sum(squares, axis=0)
        return sums, voxels

    def _entropy(self, probabilities):
        entropy = -tf.math.xlogy(probabilities, probabilities)
        if self.region_labels is not None:
            entropy -= tf.math.xlog1py(1.0 - probabilities, -probabilities)
        # Rounding may make it negative.
        return tf.maximum(tf.reduce_sum(entropy, axis=-1), 0.0)
