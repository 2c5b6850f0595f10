"""A volume as it lies in a file to the network's grid, and a result back.

The converter, evaluation and the exported model all go through this one class.
"""

import math

import tensorflow as tf

from tf_diffseg.preprocessing.crop_pad import crop_or_pad, crop_or_pad_affine
from tf_diffseg.preprocessing.foreground import (
    WHOLE_BOX,
    box_size,
    crop_affine_to_box,
    crop_to_box,
    foreground_box,
    uncrop_from_box,
)
from tf_diffseg.preprocessing.intensity import (
    Intensity,
    apply_scaling,
    scaling_of,
    undo_scaling,
)
from tf_diffseg.preprocessing.orientation import (
    canonical_affine,
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


def _check_window(window):
    window = tuple(float(value) for value in window)
    finite = all(math.isfinite(value) for value in window)
    if len(window) != 2 or not finite or not window[0] < window[1]:
        raise ValueError(f"ct_window must be (low, high), low < high, got {window}")
    return window


def _check_ct_window(intensity, ct_window):
    """The window of channels that share an `Intensity`, or None."""
    if intensity is not Intensity.CT_WINDOW:
        if ct_window is not None:
            raise ValueError(
                "ct_window is for intensity 'ct_window' only, "
                f"got {ct_window} with {intensity.value!r}"
            )
        return None
    if ct_window is None:
        raise ValueError("intensity 'ct_window' needs ct_window=(low, high) in HU")
    return _check_window(ct_window)


def _check_intensity(intensity, ct_window):
    """`(intensity, ct_window)`, both for all channels or both tuples, one for each."""
    if isinstance(intensity, (str, Intensity)):
        intensity = Intensity(intensity)
        return intensity, _check_ct_window(intensity, ct_window)
    intensity = tuple(Intensity(kind) for kind in intensity)
    windows = [None] * len(intensity) if ct_window is None else list(ct_window)
    if len(windows) != len(intensity):
        raise ValueError(
            f"ct_window must hold a window or None for each of {len(intensity)} "
            f"channels, got {ct_window}"
        )
    return intensity, tuple(map(_check_ct_window, intensity, windows))


class VolumePreprocessor:
    """Orientation to RAS+, then cropping, spacing, intensity, and crop or padding.

    Every method takes tensors of unknown spatial shape and traces into a graph.

    Where `crop_to_foreground` is on, the way back and that of a label need the box
    that the image was cropped to, from `crop_box`.

    Args:
        spacing_mm: (x, y, z) voxel size to resample to; None keeps the file's.
        volume_shape: (x, y, z) voxels to crop or pad to; None keeps the shape.
        intensity: an `Intensity` or its value, or one per channel.
        ct_window: (low, high) in Hounsfield units, for "ct_window" only; where there
            is an intensity per channel, a window or None per channel.
        crop_to_foreground: whether to crop to what `foreground.foreground_box` finds.

    Raises:
        ValueError: if an argument is not as above.
    """

    def __init__(
        self,
        spacing_mm=None,
        volume_shape=None,
        intensity="zscore",
        ct_window=None,
        crop_to_foreground=False,
    ):
        self.spacing_mm = _three_positive("spacing_mm", spacing_mm, float)
        self.volume_shape = _three_positive("volume_shape", volume_shape, int)
        self.intensity, self.ct_window = _check_intensity(intensity, ct_window)
        self.crop_to_foreground = bool(crop_to_foreground)

    def get_config(self):
        """The constructor's arguments, JSON-able."""
        config = {
            "spacing_mm": self.spacing_mm and list(self.spacing_mm),
            "volume_shape": self.volume_shape and list(self.volume_shape),
            "crop_to_foreground": self.crop_to_foreground,
        }
        if isinstance(self.intensity, Intensity):
            config["intensity"] = self.intensity.value
            config["ct_window"] = self.ct_window and list(self.ct_window)
        else:
            config["intensity"] = [kind.value for kind in self.intensity]
            config["ct_window"] = [window and list(window) for window in self.ct_window]
        return config

    @property
    def keeps_values(self):
        """Whether a preprocessed image holds values of its file and no others."""
        is_kept = self.intensity is Intensity.NONE or (
            isinstance(self.intensity, tuple)
            and all(kind is Intensity.NONE for kind in self.intensity)
        )
        return is_kept and self.spacing_mm is None

    def __call__(self, image, affine):
        """Preprocesses an image.

        Args:
            image: numeric (i, j, k, c), as the file has it.
            affine: (4, 4), voxel to world.

        Returns:
            `(image, affine)`: float32 (x, y, z, c) and the float32 affine
            (4, 4) of that grid.
        """
        image, affine, _ = self.processed(image, affine)
        return image, affine

    def processed(self, image, affine):
        """As `__call__`, and what is told of the image.

        Args:
            image: numeric (i, j, k, c), as the file has it.
            affine: (4, 4), voxel to world.

        Returns:
            `(image, affine, is_flat)`: as `__call__`, and bool (c,) or (1,), whether
            the percentiles that a channel was to be scaled by are equal.
        """
        with tf.device(_DEVICE):
            image, affine = self._on_grid(image, affine)
            scaling = self._scaling(image)
            image = apply_scaling(image, scaling)
            if self.volume_shape is not None:
                darkest = tf.reduce_min(image, axis=(0, 1, 2))
                affine = crop_or_pad_affine(
                    affine, tf.shape(image)[:3], self.volume_shape
                )
                image = crop_or_pad(image, self.volume_shape, darkest)
            return self._with_volume_shape(image), affine, scaling.is_flat

    def grid_sizes(self, source_shape, source_affine):
        """How large a volume is before and after resampling, for limits.

        Args:
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.

        Returns:
            `(size, resampled)`, float64 (3,) voxels along x, y and z, of the whole
            volume: nothing is cropped or padded.
        """
        with tf.device(_DEVICE):
            shape = tf.cast(source_shape, tf.float64)
            size = canonical_order(shape, source_affine)
            if self.spacing_mm is None:
                return size, size
            spacing = canonical_order(voxel_spacing(source_affine), source_affine)
            ratio = tf.cast(spacing_ratio(spacing, self.spacing_mm), tf.float64)
            return size, tf.maximum(tf.round(size / ratio), 1.0)

    def processed_shape(self, source_shape, source_affine, crop_box=None):
        """Spatial shape of a preprocessed image, without preprocessing it.

        Args:
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.
            crop_box: of the image, from `crop_box`.

        Returns:
            int32 (3,).

        Raises:
            ValueError: if `crop_to_foreground` is on and there is no `crop_box`.
        """
        if self.volume_shape is not None:
            return tf.constant(self.volume_shape, tf.int32)
        crop_box = self._check_box(crop_box)
        with tf.device(_DEVICE):
            shape = canonical_order(tf.cast(source_shape, tf.int32), source_affine)
            size = box_size(crop_box, shape)
            if self.spacing_mm is None:
                return size
            spacing = canonical_order(voxel_spacing(source_affine), source_affine)
            return resampled_shape(size, spacing_ratio(spacing, self.spacing_mm))

    def stored_affine(self, source_shape, source_affine, crop_box=None):
        """Affine of a preprocessed image, as shards hold it.

        Args:
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.
            crop_box: of the image, from `crop_box`.

        Returns:
            float32 (4, 4).

        Raises:
            ValueError: if `crop_to_foreground` is on and there is no `crop_box`.
        """
        crop_box = self._check_box(crop_box)
        with tf.device(_DEVICE):
            shape = canonical_order(tf.cast(source_shape, tf.int32), source_affine)
            affine = canonical_affine(source_affine, tf.cast(source_shape, tf.int32))
            shape = box_size(crop_box, shape)
            affine = crop_affine_to_box(affine, crop_box)
            if self.spacing_mm is not None:
                ratio, resampled = self._resampling(shape, affine)
                affine = resampled_affine(affine, ratio, shape, resampled)
                shape = resampled
            if self.volume_shape is not None:
                affine = crop_or_pad_affine(affine, shape, self.volume_shape)
            return affine

    def crop_box(self, image, affine):
        """The box of the RAS+ volume that `__call__` crops an image to.

        Args:
            image: numeric (i, j, k, c), as the file has it.
            affine: (4, 4), voxel to world.

        Returns:
            int32 (2, 3), first voxel and size, see `foreground`.
        """
        if not self.crop_to_foreground:
            return tf.constant(WHOLE_BOX)
        with tf.device(_DEVICE):
            return foreground_box(to_canonical(image, affine)[0])

    def scaling(self, image, affine):
        """How `__call__` scales the intensities of an image, for `restore_image`.

        Args:
            image: numeric (i, j, k, c), as the file has it.
            affine: (4, 4), voxel to world.

        Returns:
            A `intensity.Scaling`.
        """
        with tf.device(_DEVICE):
            return self._scaling(self._on_grid(image, affine)[0])

    def label(self, label, affine, crop_box=None):
        """Brings class ids to the grid of the preprocessed image.

        Args:
            label: integer (i, j, k).
            affine: (4, 4), voxel to world.
            crop_box: of the image, from `crop_box`.

        Returns:
            int32 (x, y, z); padding is background, class 0.

        Raises:
            ValueError: if `crop_to_foreground` is on and there is no `crop_box`.
        """
        with tf.device(_DEVICE):
            label = self.uncropped_label(label, affine, crop_box)
            return tf.cast(self.crop_label(label), tf.int32)

    def uncropped_label(self, label, affine, crop_box=None):
        """As `label`, but without the crop or padding to `volume_shape`.

        Where nothing is resampled it keeps its type, mostly one byte.
        """
        crop_box = self._check_box(crop_box)
        with tf.device(_DEVICE):
            label, affine = to_canonical(label, affine)
            label = crop_to_box(label, crop_box)
            if self.spacing_mm is not None:
                label = tf.cast(label, tf.int32)
                ratio, new_shape = self._resampling(tf.shape(label)[:3], affine)
                label = resample_label(label, ratio, new_shape)
            return label

    def crop_label(self, label):
        """Crops or pads what `uncropped_label` gave to `volume_shape`."""
        if self.volume_shape is None:
            return label
        with tf.device(_DEVICE):
            return self._with_volume_shape(crop_or_pad(label, self.volume_shape, 0))

    def from_stored(self, image, source_shape, source_affine, crop_box=None):
        """What the network is shown of an image that the converter preprocessed.

        Args:
            image: float32 (x, y, z, c), from a shard.
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.
            crop_box: of the image, from `crop_box`.

        Returns:
            float32 (x', y', z', c): here the same, see `FittedPreprocessor`.
        """
        del source_shape, source_affine, crop_box
        return image

    def to_stored(self, volume, restored, source_affine, crop_box=None):
        """What lies on the network's grid, on that of the image in a shard.

        Args:
            volume: (x', y', z'), on the network's grid.
            restored: (i, j, k), the same on the grid of the file.
            source_affine: (4, 4), affine of the file.
            crop_box: of the image, from `crop_box`.

        Returns:
            (x, y, z): here the same, see `FittedPreprocessor`.
        """
        del restored, source_affine, crop_box
        return volume

    def restore(
        self,
        probabilities,
        source_shape,
        source_affine,
        crop_box=None,
        background_class=0,
    ):
        """Brings class probabilities back to the grid of the file.

        What was cropped away comes back as background. Where nothing was resampled
        or cropped, values come back exactly.

        Args:
            probabilities: float32 (x, y, z, classes), on the processed grid.
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.
            crop_box: of the image, from `crop_box`.
            background_class: the class that is certain where was cropped; None where
                classes are regions that overlap, of which none is there.

        Returns:
            float32 (i, j, k, classes).

        Raises:
            ValueError: if `crop_to_foreground` is on and there is no `crop_box`.
        """
        with tf.device(_DEVICE):
            volume = tf.cast(probabilities, tf.float32)
            is_none = background_class is None
            background = tf.one_hot(
                -1 if is_none else background_class, tf.shape(volume)[-1]
            )
            return self._restore(
                volume, source_shape, source_affine, crop_box, background, resample
            )

    def restore_label(self, label, source_shape, source_affine, crop_box=None):
        """As `restore`, for class ids (x, y, z); gives int32 (i, j, k)."""
        with tf.device(_DEVICE):
            volume = tf.cast(label, tf.int32)
            return self._restore(
                volume, source_shape, source_affine, crop_box, 0, resample_label
            )

    def restore_image(self, image, source_shape, source_affine, scaling, crop_box=None):
        """Brings a preprocessed image back to the grid and intensities of the file.

        What was cropped away comes back as the darkest value there is, and what was
        clipped as the value it was clipped to.

        Args:
            image: float32 (x, y, z, c), from `__call__`.
            source_shape: int (3,), spatial shape of the file.
            source_affine: (4, 4), affine of the file.
            scaling: of the image, from `scaling`.
            crop_box: of the image, from `crop_box`.

        Returns:
            float32 (i, j, k, c).

        Raises:
            ValueError: if `crop_to_foreground` is on and there is no `crop_box`.
        """
        with tf.device(_DEVICE):
            volume = undo_scaling(tf.cast(image, tf.float32), scaling)
            darkest = tf.reduce_min(volume, axis=(0, 1, 2))
            return self._restore(
                volume, source_shape, source_affine, crop_box, darkest, resample
            )

    def _restore(
        self, volume, source_shape, source_affine, crop_box, pad_value, resample_back
    ):
        crop_box = self._check_box(crop_box)
        shape = canonical_order(tf.cast(source_shape, tf.int32), source_affine)
        cropped = resampled = box_size(crop_box, shape)
        ratio = None
        if self.spacing_mm is not None:
            spacing = canonical_order(voxel_spacing(source_affine), source_affine)
            ratio = spacing_ratio(spacing, self.spacing_mm)
            resampled = resampled_shape(cropped, ratio)
        if self.volume_shape is not None:
            volume = crop_or_pad(volume, resampled, pad_value)
        if ratio is not None:
            volume = resample_back(volume, 1.0 / ratio, cropped)
        if self.crop_to_foreground:
            volume = uncrop_from_box(volume, crop_box, shape, pad_value)
        return from_canonical(volume, source_affine)

    def _check_box(self, crop_box):
        if crop_box is not None:
            return crop_box
        if self.crop_to_foreground:
            raise ValueError(
                "crop_box must be given where crop_to_foreground is on: the label "
                "and the way back follow the image's box"
            )
        return tf.constant(WHOLE_BOX)

    def _on_grid(self, image, affine):
        """`(image, affine)`: oriented, cropped, resampled, not yet scaled."""
        image, affine = to_canonical(tf.cast(image, tf.float32), affine)
        if self.crop_to_foreground:
            box = foreground_box(image)
            image, affine = crop_to_box(image, box), crop_affine_to_box(affine, box)
        if self.spacing_mm is not None:
            shape = tf.shape(image)[:3]
            ratio, new_shape = self._resampling(shape, affine)
            image = resample(image, ratio, new_shape)
            affine = resampled_affine(affine, ratio, shape, new_shape)
        return image, affine

    def _scaling(self, image):
        return scaling_of(image, self.intensity, self.ct_window)

    def _resampling(self, shape, affine):
        """`(ratio, new_shape)`, each (3,), of a canonical grid of a shape (3,)."""
        ratio = spacing_ratio(voxel_spacing(affine), self.spacing_mm)
        return ratio, resampled_shape(shape, ratio)

    def _with_volume_shape(self, volume):
        """Makes the spatial shape static where it is known."""
        if self.volume_shape is None:
            return volume
        return tf.ensure_shape(volume, [*self.volume_shape, *volume.shape[3:]])
