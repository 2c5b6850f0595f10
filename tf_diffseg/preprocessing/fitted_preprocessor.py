"""Preprocesses any scan for a model that was trained on the files' own voxel sizes."""

import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import crop_or_pad
from tf_diffseg.preprocessing.grid_preprocessor import DEVICE
from tf_diffseg.preprocessing.old_calls import takes_parts
from tf_diffseg.preprocessing.orientation import canonical_order
from tf_diffseg.preprocessing.resampling import voxel_spacing
from tf_diffseg.preprocessing.source_grid import SourceGrid
from tf_diffseg.preprocessing.volume_preprocessor import VolumePreprocessor


class FittedPreprocessor(VolumePreprocessor):
    """Resamples scans whose voxel sizes are far from those of the training cases.

    A scan for which `TrainedSpacing.is_outside` is true is preprocessed on its own
    grid, as by the converter, then resampled to the median spacing, and last cropped or
    padded. So a volume from a shard and one from a file give the same. Every other scan
    is preprocessed as by `VolumePreprocessor`, bit for bit.

    `label` and `processed_shape` use the grid of a shard, where nothing is resampled;
    `preprocess` and the methods that restore use the network's grid.

    Args:
        trained_spacing: `TrainedSpacing` of the model.
        **preprocessing: arguments of the `VolumePreprocessor` of the training data.

    Raises:
        ValueError: if it resamples already, or for its reasons.
    """

    def __init__(self, trained_spacing, **preprocessing):
        super().__init__(**preprocessing)
        if self.spacing_mm is not None:
            raise ValueError(
                "spacing_mm must be None: every scan is brought to it, got "
                f"{self.spacing_mm}"
            )
        self.trained_spacing = trained_spacing
        # To the scan's own grid, and from it to the network's.
        self._whole = VolumePreprocessor(**{**preprocessing, "volume_shape": None})
        self._to_median = VolumePreprocessor(
            spacing_mm=trained_spacing.median_mm,
            volume_shape=self.volume_shape,
            intensity="none",
        )

    def is_outside(self, affine):
        """Whether a scan is resampled, bool scalar, by its affine (4, 4)."""
        return self.trained_spacing.is_outside(_ras_spacing(affine))

    def _to_network(self, image, source):
        """`(image, affine)` of the network, from a scaled image before padding."""
        on_own_grid = super()._to_network
        return tf.cond(
            self.is_outside(source.affine),
            lambda: self._fitted(image, source),
            lambda: on_own_grid(image, source),
        )

    def _fitted(self, image, source):
        grid = _grid(source.affine)
        fitted, fitted_grid = self._to_median(image, grid)
        to_voxels = tf.matmul(tf.linalg.inv(grid), fitted_grid)
        return fitted, tf.matmul(self._whole.stored_affine(source), to_voxels)

    @takes_parts("source_shape", "source_affine")
    def grid_sizes(self, source):
        """See `GridPreprocessor.grid_sizes`."""
        sizes_of_own_grid = super().grid_sizes
        return tf.cond(
            self.is_outside(source.affine),
            lambda: self._to_median.grid_sizes(source),
            lambda: sizes_of_own_grid(source),
        )

    @takes_parts("image", "source_shape", "source_affine", "crop_box")
    def from_stored(self, image, source):
        """Brings the image of a scan outside to the median spacing."""

        def fitted():
            with tf.device(DEVICE):
                # The shard lacks the parts of a large scan outside of `volume_shape`.
                darkest = tf.reduce_min(image, axis=(0, 1, 2))
                shape = self._whole.processed_shape(source)
                whole = crop_or_pad(image, shape, darkest)
            return self._to_median(whole, _grid(source.affine))[0]

        return tf.cond(self.is_outside(source.affine), fitted, lambda: image)

    @takes_parts("volume", "restored", "source_affine", "crop_box")
    def to_stored(self, volume, restored, source):
        """Takes the volume of a scan outside from the grid of the file."""
        return tf.cond(
            self.is_outside(source.affine),
            lambda: self.crop_label(self.uncropped_label(restored, source)),
            lambda: volume,
        )

    def _restore(self, volume, source, pad_value, resample_back):
        restore_own = super()._restore

        def from_median():
            shape = self._whole.processed_shape(source)
            median = SourceGrid(shape, _grid(source.affine))
            own = self._to_median._restore(volume, median, pad_value, resample_back)
            return self._whole._restore(own, source, pad_value, resample_back)

        return tf.cond(
            self.is_outside(source.affine),
            from_median,
            lambda: restore_own(volume, source, pad_value, resample_back),
        )


def _ras_spacing(affine):
    """Voxel size (3,) along x, y and z in RAS+ of an affine (4, 4)."""
    with tf.device(DEVICE):
        return canonical_order(voxel_spacing(affine), affine)


def _grid(affine):
    """Affine (4, 4) along the world's axes with the spacing of another affine.

    Spacings must be equal to the last bit on both ways, so that the shapes are equal.
    """
    with tf.device(DEVICE):
        return tf.linalg.diag(tf.concat([_ras_spacing(affine), [1.0]], axis=0))
