"""Preprocesses cases in TensorFlow graphs."""

import functools
import json

import numpy as np
import tensorflow as tf

from tf_diffseg.data.example_schema import label_dtype
from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor


class CasePreprocessing:
    """A `VolumePreprocessor` as graphs, which need less memory than eager calls."""

    def __init__(self, config, num_channels, num_labels):
        self._num_labels = num_labels
        label_type = label_dtype(num_labels)
        preprocessor = VolumePreprocessor(**config)
        self.spacing_mm = preprocessor.spacing_mm
        volume = [None, None, None]
        image = tf.TensorSpec([*volume, num_channels])
        affine = tf.TensorSpec([4, 4])
        # Autograph would write a temporary file, and the disk may be full.
        graph = functools.partial(tf.function, autograph=False)
        self._shape = preprocessor.processed_shape
        source = SourceGrid(
            tf.TensorSpec([3], tf.int32), affine, tf.TensorSpec([2, 3], tf.int32)
        )
        self._locate = graph(preprocessor.locate, [image, affine])
        self._image = graph(preprocessor.preprocess_located, [image, source])

        def prepare_label(label, source):
            uncropped = preprocessor.uncropped_label(label, source)
            label = preprocessor.crop_label(uncropped)
            counts = tf.zeros([0], tf.int32)
            if preprocessor.volume_shape is not None:
                counts = tf.math.bincount(
                    tf.cast(tf.reshape(uncropped, [-1]), tf.int32)
                )
            return tf.cast(label, label_type), counts

        label_spec = tf.TensorSpec(volume, label_type)
        self._label = graph(prepare_label, [label_spec, source])

    @classmethod
    def of(cls, config, num_channels, num_labels):
        """The preprocessing of a config, traced once per process."""
        return _cached(json.dumps(config), num_channels, num_labels)

    def locate(self, image, affine):
        """`VolumePreprocessor.locate` of a tensor (i, j, k, c)."""
        return self._locate(image, affine.astype(np.float32))

    def shape(self, source):
        """`VolumePreprocessor.processed_shape` as a tuple."""
        return tuple(self._shape(source).numpy().tolist())

    def image(self, image, source):
        """Arrays `(image, affine, is_flat)` of `VolumePreprocessor.preprocess`."""
        volume = self._image(image, source)
        is_flat = volume.scaling.is_flat.numpy()
        return _not_copied(volume.image), volume.affine.numpy(), is_flat

    def label(self, class_ids, source):
        """The label on the processed grid, and its voxels before the crop.

        Args:
            class_ids: integers (i, j, k).
            source: `SourceGrid` of the image.

        Returns:
            `(class ids, voxels)`: voxels per class id before the crop to
            `volume_shape`, or None without such a crop.
        """
        label, counts = self._label(class_ids, source)
        label = _not_copied(label)
        if not counts.shape[0]:
            return label, None
        missing = self._num_labels - counts.shape[0]  # above the largest id found
        return label, counts.numpy().tolist() + [0] * missing


@functools.cache
def _cached(config, *numbers):
    return CasePreprocessing(json.loads(config), *numbers)


def _not_copied(tensor):
    return np.asarray(memoryview(tensor))
