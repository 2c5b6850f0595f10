"""Brings a volume from its file to the network's grid, and a result back.

The converter, evaluation and the exported model all go through this one class.
"""

import typing

import tensorflow as tf

from tf_diffseg.preprocessing.grid_preprocessor import DEVICE, GridPreprocessor
from tf_diffseg.preprocessing.intensity import (
    Intensity,
    Scaling,
    apply_scaling,
    scaling_of,
    undo_scaling,
)
from tf_diffseg.preprocessing.intensity_choice import (
    checked_intensity,
    intensity_config,
)
from tf_diffseg.preprocessing.old_calls import OldCalls, takes_parts
from tf_diffseg.preprocessing.resampling import resample
from tf_diffseg.preprocessing.source_grid import SourceGrid


class PreprocessedVolume(typing.NamedTuple):
    """A network's input, and the values that `restore` and `restore_image` need.

    Attributes:
        image: float32 (x, y, z, c).
        affine: float32 (4, 4), of that grid.
        source: `SourceGrid` of the image.
        scaling: `Scaling` of its intensities.
    """

    image: tf.Tensor
    affine: tf.Tensor
    source: SourceGrid
    scaling: Scaling


class VolumePreprocessor(OldCalls, GridPreprocessor):
    """Orientation to RAS+, then cropping, spacing, intensity, and crop or padding.

    Every method takes tensors of unknown spatial shape and traces into a graph. Methods
    that take a `SourceGrid` raise ValueError if `crop_to_foreground` is on and it has
    no box.

        preprocessor = VolumePreprocessor(spacing_mm=(1, 1, 1))
        volume = preprocessor.preprocess(image, affine)
        probabilities = network(volume.image)
        on_the_grid_of_the_file = preprocessor.restore(probabilities, volume.source)

    Args:
        spacing_mm: (x, y, z) voxel size to resample to; None keeps the file's.
        volume_shape: (x, y, z) voxels to crop or pad to; None keeps the shape.
        intensity: an `Intensity` or its value, or one per channel.
        ct_window: (low, high) in Hounsfield units, only for "ct_window"; with an
            intensity per channel, a window or None per channel.
        crop_to_foreground: whether to crop to the box of `foreground.foreground_box`.

    Raises:
        ValueError: if an argument has another form.

    Example:
        >>> preprocessor = VolumePreprocessor(spacing_mm=(2.0, 2.0, 2.0))
        >>> image, affine = preprocessor(np.ones([8, 8, 8, 1], np.float32), np.eye(4))
        >>> image.shape
        TensorShape([4, 4, 4, 1])
    """

    def __init__(
        self,
        spacing_mm=None,
        volume_shape=None,
        intensity="zscore",
        ct_window=None,
        crop_to_foreground=False,
    ):
        super().__init__(spacing_mm, volume_shape, crop_to_foreground)
        self.intensity, self.ct_window = checked_intensity(intensity, ct_window)

    def get_config(self):
        """The constructor's arguments, JSON-able."""
        return {
            "spacing_mm": self.spacing_mm and list(self.spacing_mm),
            "volume_shape": self.volume_shape and list(self.volume_shape),
            "crop_to_foreground": self.crop_to_foreground,
            **intensity_config(self.intensity, self.ct_window),
        }

    @property
    def keeps_values(self):
        """Whether a preprocessed image holds only values of its file."""
        is_kept = self.intensity is Intensity.NONE or (
            isinstance(self.intensity, tuple)
            and all(kind is Intensity.NONE for kind in self.intensity)
        )
        return is_kept and self.spacing_mm is None

    def __call__(self, image, affine):
        """Gives `(image, affine)` of `preprocess`."""
        volume = self.preprocess(image, affine)
        return volume.image, volume.affine

    def preprocess(self, image, affine):
        """Preprocesses an image.

        Args:
            image: numeric (i, j, k, c), as in the file.
            affine: (4, 4), voxel to world.

        Returns:
            `PreprocessedVolume`.
        """
        return self.preprocess_located(image, self.locate(image, affine))

    def preprocess_located(self, image, source):
        """Like `preprocess`, with the `SourceGrid` of `locate`, its box included."""
        with tf.device(DEVICE):
            image = self._on_grid(tf.cast(image, tf.float32), source, resample)
            scaling = scaling_of(image, self.intensity, self.ct_window)
            image = apply_scaling(image, scaling)
            image, affine = self._to_network(image, source)
            return PreprocessedVolume(image, affine, source, scaling)

    def _to_network(self, image, source):
        """`(image, affine)` of the network, from a scaled image before padding."""
        if self.volume_shape is not None:
            darkest = tf.reduce_min(image, axis=(0, 1, 2))
            image = self._with_volume_shape(image, darkest)
        return image, self.stored_affine(source)

    @takes_parts("image", "source_shape", "source_affine", "crop_box")
    def from_stored(self, image, source):
        """Makes the network's input from an image that the converter preprocessed.

        Args:
            image: float32 (x, y, z, c), from a shard.
            source: `SourceGrid` of the image.

        Returns:
            float32 (x', y', z', c): here the same, see `FittedPreprocessor`.
        """
        del source
        return image

    @takes_parts("volume", "restored", "source_affine", "crop_box")
    def to_stored(self, volume, restored, source):
        """Brings a volume from the network's grid to that of the image in a shard.

        Args:
            volume: (x', y', z'), on the network's grid.
            restored: (i, j, k), the same on the grid of the file.
            source: `SourceGrid` of the image.

        Returns:
            (x, y, z): here the same, see `FittedPreprocessor`.
        """
        del restored, source
        return volume

    @takes_parts("image", "source_shape", "source_affine", "scaling", "crop_box")
    def restore_image(self, image, source, scaling):
        """Brings a preprocessed image back to the grid and intensities of the file.

        Cropped voxels get the darkest value of the image, clipped ones the limit.

        Args:
            image: float32 (x, y, z, c), from `preprocess`.
            source: `SourceGrid` of the image.
            scaling: of the image, from `preprocess`.

        Returns:
            float32 (i, j, k, c).
        """
        with tf.device(DEVICE):
            volume = undo_scaling(tf.cast(image, tf.float32), scaling)
            darkest = tf.reduce_min(volume, axis=(0, 1, 2))
            return self._restore(volume, source, darkest, resample)
