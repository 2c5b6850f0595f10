"""One or several runs as the model of a `VolumeSegmenter`."""

import functools

import tensorflow as tf


class RunModel:
    """Model of a `VolumeSegmenter` from `TrainedModels`."""

    def __init__(self, trained):
        manifest = trained.manifest
        self.class_names = manifest.class_names
        self.label_values = manifest.label_values
        self.regions = trained.targets.written_regions
        self.num_channels = manifest.num_channels
        self.resampling = trained.resampling
        self._trained = trained
        self._options = trained.options
        progress = trained.window_progress()
        self.progress_of = progress.of_case
        segmenter = trained.segmenter(progress=progress)
        # Traced once for all shapes.
        self._label = tf.function(
            segmenter, input_signature=_signature(manifest), autograph=False
        )
        self._predict = predict_function(
            segmenter, self._options, input_signature=_signature(manifest)
        )

    @property
    def saved_steps(self):
        """As in `TrainedModels`."""
        return self._trained.saved_steps

    def label(self, image, affine):
        """Label values [i, j, k] of a volume."""
        return self._label(*model_tensors(image, affine, self._options.seed)).numpy()

    def prediction(self, image, affine):
        """`tf_diffseg.inference.Prediction` of a volume."""
        return self._predict(*model_tensors(image, affine, self._options.seed))


def predict_function(segmenter, options, **arguments):
    """`tf.function` of `Segmenter.predict` with the number of samples of options."""
    predict = functools.partial(
        segmenter.predict,
        num_samples=options.num_samples,
        batch_size=options.batch_size,
    )
    return tf.function(predict, autograph=False, **arguments)


def model_tensors(image, affine, seed):
    """A volume, its affine and the seed as tensors for a segmenting graph."""
    return (
        tf.constant(image, tf.float32),
        tf.constant(affine, tf.float32),
        tf.constant(seed, tf.int32),
    )


def _signature(manifest):
    return [
        tf.TensorSpec([None, None, None, manifest.num_channels]),
        tf.TensorSpec([4, 4]),
        tf.TensorSpec([], tf.int32),
    ]
