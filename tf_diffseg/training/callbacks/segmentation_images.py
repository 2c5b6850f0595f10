"""Pictures of fixed cases in TensorBoard, to see a network learn."""

import os

import keras
import tensorflow as tf


class SegmentationImages(keras.callbacks.Callback):
    """Segments some cases at each validation, and shows them in TensorBoard.

    If `AveragedWeights` comes before it, it uses the averaged weights. If there are
    several workers, only the chief may have it.

    Args:
        log_dir: folder of the logs, as for `TrainingBoard`.
        cases: dict from a name to a pair of an image, float [x, y, z, channels], and
            its label, int [x, y, z].
        draw: function (name, image, label, probabilities) to a picture, uint8
            [height, width, 3]; the probabilities are [x, y, z, num_classes].
    """

    def __init__(self, log_dir, cases, draw):
        super().__init__()
        self.log_dir = str(log_dir)
        self.cases = dict(cases)
        self.draw = draw
        self._epoch = 0
        self._sample = None
        self._writer = None

    def on_train_begin(self, logs=None):
        """Prepares for images of any shape."""
        del logs
        channels = self.model.image_channels
        image = tf.TensorSpec([1, None, None, None, channels], tf.float32)
        self._sample = tf.function(
            self.model.sample,
            input_signature=[image, tf.TensorSpec([1], tf.int32)],
            jit_compile=self.model.jit_compile,
            autograph=False,
        )
        self._writer = tf.summary.create_file_writer(
            os.path.join(self.log_dir, "validation")
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the epoch."""
        del logs
        self._epoch = epoch

    def on_test_begin(self, logs=None):
        """Segments and draws, while the averaged weights are in place."""
        del logs
        if self._writer is None:
            return  # `evaluate` was called outside `fit`.
        for name, (image, label) in self.cases.items():
            seed = tf.zeros([1], tf.int32)
            sampled = self._sample(tf.constant(image)[tf.newaxis], seed)
            picture = self.draw(name, image, label, sampled[0].numpy())
            with self._writer.as_default():
                tf.summary.image(name, picture[tf.newaxis], step=self._epoch)

    def on_train_end(self, logs=None):
        """Closes the file."""
        del logs
        self._writer.close()
        self._writer = None
