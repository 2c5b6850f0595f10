"""Preprocessing for a model that was trained on files' own voxels, of any scan."""

import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import crop_or_pad
from tf_diffseg.preprocessing.orientation import canonical_order
from tf_diffseg.preprocessing.resampling import voxel_spacing
from tf_diffseg.preprocessing.volume_preprocessor import VolumePreprocessor

# As of `VolumePreprocessor`, whose results must not depend on the machine.
_DEVICE = "/CPU:0"


class FittedPreprocessor(VolumePreprocessor):
    """Brings a scan of voxel sizes that were not trained on to one that was.

    Every other scan it treats as a `VolumePreprocessor` does, bit for bit. A scan that
    `TrainedSpacing.is_outside` is preprocessed on its own grid, as the converter does,
    then resampled to the median spacing, and cropped or padded at last. So a volume
    from a shard and one from a file become the same.

    `label` and `processed_shape` are of the grid of a shard, where nothing is
    resampled; `__call__`, `restore` and its like are of the network's grid.

    Args:
        trained_spacing: `TrainedSpacing` of the model.
        **preprocessing: arguments of the `VolumePreprocessor` of the training data.

    Raises:
        ValueError: if that one resamples already, or an argument is not as there.
    """

    def __init__(self, trained_spacing, **preprocessing):
        super().__init__(**preprocessing)
        if self.spacing_mm is not None:
            raise ValueError(
                "spacing_mm must be None: every scan is brought to it, got "
                f"{self.spacing_mm}"
            )
        self.trained_spacing = trained_spacing
        # A scan's own grid, and from there on to the network's.
        self._whole = VolumePreprocessor(**{**preprocessing, "volume_shape": None})
        self._to_median = VolumePreprocessor(
            spacing_mm=trained_spacing.median_mm,
            volume_shape=self.volume_shape,
            intensity="none",
        )

    def is_outside(self, affine):
        """Whether a scan is resampled, bool scalar, by its affine (4, 4)."""
        return self.trained_spacing.is_outside(_ras_spacing(affine))

    def __call__(self, image, affine):
        """As there; of a scan outside, its affine too is that of the median grid."""
        on_own_grid = super().__call__
        return tf.cond(
            self.is_outside(affine),
            lambda: self._fitted(image, affine),
            lambda: on_own_grid(image, affine),
        )

    def _fitted(self, image, affine):
        whole, whole_affine = self._whole(image, affine)
        grid = _grid(affine)
        fitted, fitted_grid = self._to_median(whole, grid)
        to_voxels = tf.matmul(tf.linalg.inv(grid), fitted_grid)
        return fitted, tf.matmul(whole_affine, to_voxels)

    def grid_sizes(self, source_shape, source_affine):
        """As there."""
        of_own_grid = super().grid_sizes
        return tf.cond(
            self.is_outside(source_affine),
            lambda: self._to_median.grid_sizes(source_shape, source_affine),
            lambda: of_own_grid(source_shape, source_affine),
        )

    def from_stored(self, image, source_shape, source_affine, crop_box=None):
        """As there: an image outside is brought to the median spacing."""

        def fitted():
            shape = self._whole.processed_shape(source_shape, source_affine, crop_box)
            with tf.device(_DEVICE):
                # What `volume_shape` took away of a large scan is not in the shard.
                darkest = tf.reduce_min(image, axis=(0, 1, 2))
                whole = crop_or_pad(image, shape, darkest)
            return self._to_median(whole, _grid(source_affine))[0]

        return tf.cond(self.is_outside(source_affine), fitted, lambda: image)

    def to_stored(self, volume, restored, source_affine, crop_box=None):
        """As there: what lies outside comes from the grid of the file."""
        return tf.cond(
            self.is_outside(source_affine),
            lambda: self.crop_label(
                self.uncropped_label(restored, source_affine, crop_box)
            ),
            lambda: volume,
        )

    def _restore(
        self, volume, source_shape, source_affine, crop_box, pad_value, resample_back
    ):
        place = (source_shape, source_affine, crop_box)
        restore_own = super()._restore

        def from_median():
            shape = self._whole.processed_shape(*place)
            own = self._to_median._restore(
                volume, shape, _grid(source_affine), None, pad_value, resample_back
            )
            return self._whole._restore(own, *place, pad_value, resample_back)

        return tf.cond(
            self.is_outside(source_affine),
            from_median,
            lambda: restore_own(volume, *place, pad_value, resample_back),
        )


def _ras_spacing(affine):
    """Voxel size (3,) along x, y and z in RAS+ of an affine (4, 4)."""
    with tf.device(_DEVICE):
        return canonical_order(voxel_spacing(affine), affine)


def _grid(affine):
    """Affine (4, 4) of axes along the world's, of the spacing that another has.

    There and back spacings must be the same to the last bit, so that the shapes are.
    """
    with tf.device(_DEVICE):
        return tf.linalg.diag(tf.concat([_ras_spacing(affine), [1.0]], axis=0))
