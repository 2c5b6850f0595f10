"""A volume as it lies in a file to the network's grid, and a result back.

The converter, evaluation and the exported model all go through this one class.
"""

import math

import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import crop_or_pad, crop_or_pad_affine
from tf_diffseg.preprocessing.intensity import Intensity, normalize
from tf_diffseg.preprocessing.orientation import (
    canonical_order,
    from_canonical,
    to_canonical,
)
from tf_diffseg.preprocessing.resampling import (
    resample,
    resample_label,
    resampled_affine,
    resampled_shape,
    spacing_ratio,
    voxel_spacing,
)

# On a GPU the resampling products would be rounded to TF32's ten bits, and
# training data made on a CPU would differ from what a GPU server makes.
_DEVICE = "/CPU:0"


def _three_positive(name, values, number):
    """Checks and normalises an optional triple of positive numbers."""
    if values is None:
        return None
    values = tuple(values)
    if len(values) != 3 or not all(0 < value < math.inf for value in values):
        raise ValueError(f"{name} must be 3 positive numbers, got {values}")
    if any(number(value) != value for value in values):
        raise ValueError(f"{name} must be whole numbers, got {values}")
    return tuple(number(value) for value in values)


def _check_ct_window(intensity, ct_window):
    if intensity is not Intensity.CT_WINDOW:
        if ct_window is not None:
            raise ValueError(
                "ct_window is for intensity 'ct_window' only, "
                f"got {ct_window} with {intensity.value!r}"
            )
        return None
    if ct_window is None:
        raise ValueError("intensity 'ct_window' needs ct_window=(low, high) in HU")
    window = tuple(float(value) for value in ct_window)
    finite = all(math.isfinite(value) for value in window)
    if len(window) != 2 or not finite or not window[0] < window[1]:
        raise ValueError(f"ct_window must be (low, high), low < high, got {window}")
    return window


class VolumePreprocessor:
    """Orientation to RAS+, then spacing, intensity, and crop or padding.

    Every method takes tensors of unknown spatial shape and traces into a graph.

    Args:
        spacing_mm: (x, y, z) voxel size to resample to; None keeps the file's.
        volume_shape: (x, y, z) voxels to crop or pad to; None keeps the shape.
        intensity: an `Intensity` or its value.
        ct_window: (low, high) in Hounsfield units, for "ct_window" only.

    Raises:
        ValueError: if an argument is not as above.
    """

    def __init__(
        self,
        spacing_mm=None,
        volume_shape=None,
        intensity="zscore",
        ct_window=None,
    ):
        self.spacing_mm = _three_positive("spacing_mm", spacing_mm, float)
        self.volume_shape = _three_positive("volume_shape", volume_shape, int)
        self.intensity = Intensity(intensity)
        self.ct_window = _check_ct_window(self.intensity, ct_window)

    def get_config(self):
        """The constructor's arguments, JSON-able."""
        return {
            "spacing_mm": self.spacing_mm and list(self.spacing_mm),
            "volume_shape": self.volume_shape and list(self.volume_shape),
            "intensity": self.intensity.value,
            "ct_window": self.ct_window and list(self.ct_window),
        }

    def __call__(self, image, affine):
        """Preprocesses an image.

        Args:
            image: numeric (i, j, k, c), as the file has it.
            affine: (4, 4), voxel to world.

        Returns:
            `(image, affine)`: float32 (x, y, z, c) and the float32 affine
            (4, 4) of that grid.
        """
        with tf.device(_DEVICE):
            image, affine = to_canonical(tf.cast(image, tf.float32), affine)
            if self.spacing_mm is not None:
                ratio, shape, new_shape = self._resampling(tf.shape(image), affine)
                image = resample(image, ratio, new_shape)
                affine = resampled_affine(affine, ratio, shape, new_shape)
            image = normalize(image, self.intensity, self.ct_window)
            if self.volume_shape is not None:
                darkest = tf.reduce_min(image, axis=(0, 1, 2))
                affine = crop_or_pad_affine(
                    affine, tf.shape(image)[:3], self.volume_shape
                )
                image = crop_or_pad(image, self.volume_shape, darkest)
            return self._with_volume_shape(image), affine

    def label(self, label, affine):
        """Brings class ids to the grid of the preprocessed image.

        Args:
            label: integer (i, j, k).
            affine: (4, 4), voxel to world.

        Returns:
            int32 (x, y, z); padding is background, class 0.
        """
        with tf.device(_DEVICE):
            label, affine = to_canonical(tf.cast(label, tf.int32), affine)
            if self.spacing_mm is not None:
                ratio, _, new_shape = self._resampling(tf.shape(label), affine)
                label = resample_label(label, ratio, new_shape)
            if self.volume_shape is not None:
                label = crop_or_pad(label, self.volume_shape, 0)
            return self._with_volume_shape(label)

    def restore(self, probabilities, source_shape, source_affine):
        """Brings class probabilities back to the grid of the file.

        What `volume_shape` had cropped away comes back as background. Where
        nothing was resampled or cropped, values come back exactly.

        Args:
            probabilities: float32 (x, y, z, classes), on the processed grid.
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.

        Returns:
            float32 (i, j, k, classes).
        """
        with tf.device(_DEVICE):
            volume = tf.cast(probabilities, tf.float32)
            shape = canonical_order(tf.cast(source_shape, tf.int32), source_affine)
            resampled, ratio = shape, None
            if self.spacing_mm is not None:
                spacing = canonical_order(voxel_spacing(source_affine), source_affine)
                ratio = spacing_ratio(spacing, self.spacing_mm)
                resampled = resampled_shape(shape, ratio)
            if self.volume_shape is not None:
                background = tf.one_hot(0, tf.shape(volume)[-1])
                volume = crop_or_pad(volume, resampled, background)
            if ratio is not None:
                volume = resample(volume, 1.0 / ratio, shape)
            return from_canonical(volume, source_affine)

    def _resampling(self, shape, affine):
        """`(ratio, shape, new_shape)` of a canonical grid, each (3,)."""
        shape = shape[:3]
        ratio = spacing_ratio(voxel_spacing(affine), self.spacing_mm)
        return ratio, shape, resampled_shape(shape, ratio)

    def _with_volume_shape(self, volume):
        """Makes the spatial shape static where it is known."""
        if self.volume_shape is None:
            return volume
        return tf.ensure_shape(volume, [*self.volume_shape, *volume.shape[3:]])
