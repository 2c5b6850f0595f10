"""A volume as it lies in a file to its label map."""

import tensorflow as tf


class Segmenter:
    """Preprocesses, samples, and goes back to the grid of the file.

    All of it is TensorFlow, for unknown spatial shapes: it runs eagerly and inside
    an exported SavedModel alike.

    Args:
        sample: function (image [batch, x, y, z, channels], seed [batch]) ->
            probabilities [batch, x, y, z, num_classes], as
            `DiffusionUNet3D.sample`.
        preprocessor: the `VolumePreprocessor` of the training data.
        label_values: the value of each class id in the data set's own files.
    """

    def __init__(self, sample, preprocessor, label_values):
        self.sample = sample
        self.preprocessor = preprocessor
        self.label_values = tuple(label_values)

    def __call__(self, image, affine, seed):
        """Segments one volume.

        Args:
            image: numeric [i, j, k, channels], axes in any order.
            affine: float [4, 4], voxel to world, RAS+ and in millimetres.
            seed: int scalar; the same seed gives the same segmentation.

        Returns:
            int32 [i, j, k], values of `label_values`.
        """
        preprocessed, _ = self.preprocessor(image, affine)
        seed = tf.convert_to_tensor(seed)
        probabilities = self.sample(preprocessed[tf.newaxis], seed[tf.newaxis])[0]
        class_ids = self.class_ids(probabilities, tf.shape(image)[:3], affine)
        return tf.gather(tf.constant(self.label_values, tf.int32), class_ids)

    def class_ids(self, probabilities, source_shape, source_affine):
        """Class ids on the grid of the file.

        Args:
            probabilities: [x, y, z, num_classes], on the preprocessed grid.
            source_shape: int [3].
            source_affine: float [4, 4].

        Returns:
            int32 [i, j, k].
        """
        restored = self.preprocessor.restore(probabilities, source_shape, source_affine)
        return tf.argmax(restored, axis=-1, output_type=tf.int32)
