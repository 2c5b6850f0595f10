"""Brings volumes from a file's grid to the network's, and back, without intensities."""

import math
import typing

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
from tf_diffseg.preprocessing.old_calls import takes_parts
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
from tf_diffseg.preprocessing.source_grid import SourceGrid

# A GPU would round the resampling products to TF32's ten bits, and training data from a
# CPU would differ from the input of a model on a GPU server.
DEVICE = "/CPU:0"


def _three_positive(name, values, number):
    """A tuple of three positive numbers, or None; raises ValueError."""
    if values is None:
        return None
    values = tuple(values)
    if len(values) != 3 or not all(0 < value < math.inf for value in values):
        raise ValueError(f"{name} must be 3 positive numbers, got {values}")
    if any(number(value) != value for value in values):
        raise ValueError(f"{name} must be whole numbers, got {values}")
    return tuple(number(value) for value in values)


class _Sizes(typing.NamedTuple):
    """Voxels along x, y and z at each step, int32 (3,).

    Attributes:
        whole: size of the file, in RAS+.
        box: int32 (2, 3), box of the crop to the foreground.
        cropped: size of this box.
        ratio: float32 (3,), new over old spacing; None if nothing is resampled.
        resampled: size after resampling.
    """

    whole: tf.Tensor
    box: tf.Tensor
    cropped: tf.Tensor
    ratio: tf.Tensor | None
    resampled: tf.Tensor


class GridPreprocessor:
    """Orientation to RAS+, then cropping, spacing, and crop or padding to a shape.

    Every method takes tensors of unknown spatial shape and traces into a graph. Methods
    that take a `SourceGrid` raise ValueError if `crop_to_foreground` is on and it has
    no box.

    Args:
        spacing_mm: (x, y, z) voxel size to resample to; None keeps the file's.
        volume_shape: (x, y, z) voxels to crop or pad to; None keeps the shape.
        crop_to_foreground: whether to crop to the box of `foreground.foreground_box`.

    Raises:
        ValueError: if an argument has another form.
    """

    def __init__(self, spacing_mm=None, volume_shape=None, crop_to_foreground=False):
        self.spacing_mm = _three_positive("spacing_mm", spacing_mm, float)
        self.volume_shape = _three_positive("volume_shape", volume_shape, int)
        self.crop_to_foreground = bool(crop_to_foreground)

    def locate(self, image, affine):
        """Gives the `SourceGrid` of an image, with the box that it is cropped to.

        Args:
            image: numeric (i, j, k, c), as in the file.
            affine: (4, 4), voxel to world.
        """
        with tf.device(DEVICE):
            image = tf.convert_to_tensor(image)
            affine = tf.cast(affine, tf.float32)
            box = tf.constant(WHOLE_BOX)
            if self.crop_to_foreground:
                canonical, _ = to_canonical(tf.cast(image, tf.float32), affine)
                box = foreground_box(canonical)
            return SourceGrid(tf.shape(image)[:3], affine, box)

    @takes_parts("source_shape", "source_affine")
    def grid_sizes(self, source):
        """Gives the size of a whole volume before and after resampling, for limits.

        Args:
            source: `SourceGrid`, whose box is not used.

        Returns:
            `(size, resampled)`, float64 (3,) voxels along x, y and z, without cropping
            or padding.
        """
        with tf.device(DEVICE):
            shape = tf.cast(source.shape, tf.float64)
            size = canonical_order(shape, source.affine)
            if self.spacing_mm is None:
                return size, size
            ratio = tf.cast(self._ratio(source.affine), tf.float64)
            return size, tf.maximum(tf.round(size / ratio), 1.0)

    @takes_parts("source_shape", "source_affine", "crop_box")
    def processed_shape(self, source):
        """Spatial shape, int32 (3,), that the image of a `SourceGrid` gets."""
        if self.volume_shape is not None:
            return tf.constant(self.volume_shape, tf.int32)
        with tf.device(DEVICE):
            return self._sizes(source).resampled

    @takes_parts("source_shape", "source_affine", "crop_box")
    def stored_affine(self, source):
        """Affine, float32 (4, 4), that shards hold for the image of a `SourceGrid`."""
        with tf.device(DEVICE):
            sizes = self._sizes(source)
            affine = canonical_affine(source.affine, tf.cast(source.shape, tf.int32))
            affine = crop_affine_to_box(affine, sizes.box)
            if sizes.ratio is not None:
                affine = resampled_affine(
                    affine, sizes.ratio, sizes.cropped, sizes.resampled
                )
            if self.volume_shape is not None:
                affine = crop_or_pad_affine(affine, sizes.resampled, self.volume_shape)
            return affine

    @takes_parts("label", "affine", "crop_box")
    def label(self, label, source):
        """Brings class ids to the grid of the preprocessed image.

        Args:
            label: integer (i, j, k).
            source: `SourceGrid` of the image.

        Returns:
            int32 (x, y, z); padding is background, class 0.
        """
        with tf.device(DEVICE):
            label = self.uncropped_label(label, source)
            return tf.cast(self.crop_label(label), tf.int32)

    @takes_parts("label", "affine", "crop_box")
    def uncropped_label(self, label, source):
        """Like `label`, but without the crop or padding to `volume_shape`.

        If nothing is resampled, the label keeps its type, mostly one byte.
        """

        def resample_class_ids(label, ratio, shape):
            return resample_label(tf.cast(label, tf.int32), ratio, shape)

        with tf.device(DEVICE):
            label = tf.convert_to_tensor(label)
            source = source._replace(shape=tf.shape(label))
            return self._on_grid(label, source, resample_class_ids)

    def crop_label(self, label):
        """Crops or pads the result of `uncropped_label` to `volume_shape`."""
        with tf.device(DEVICE):
            return self._with_volume_shape(label, 0)

    @takes_parts(
        "probabilities",
        "source_shape",
        "source_affine",
        "crop_box",
        "background_class",
    )
    def restore(self, probabilities, source, background_class=0):
        """Brings class probabilities back to the grid of the file.

        Cropped voxels become background. If nothing was resampled or cropped, values
        come back exactly.

        Args:
            probabilities: float32 (x, y, z, classes), on the processed grid.
            source: `SourceGrid` of the image.
            background_class: class of cropped voxels; None for regions that overlap,
                whose probabilities are then all 0 there.

        Returns:
            float32 (i, j, k, classes).
        """
        with tf.device(DEVICE):
            volume = tf.cast(probabilities, tf.float32)
            index = -1 if background_class is None else background_class
            background = tf.one_hot(index, tf.shape(volume)[-1])
            return self._restore(volume, source, background, resample)

    @takes_parts("label", "source_shape", "source_affine", "crop_box")
    def restore_label(self, label, source):
        """Like `restore`, for class ids (x, y, z); gives int32 (i, j, k)."""
        with tf.device(DEVICE):
            return self._restore(tf.cast(label, tf.int32), source, 0, resample_label)

    def _restore(self, volume, source, pad_value, resample_back):
        sizes = self._sizes(source)
        if self.volume_shape is not None:
            volume = crop_or_pad(volume, sizes.resampled, pad_value)
        if sizes.ratio is not None:
            volume = resample_back(volume, 1.0 / sizes.ratio, sizes.cropped)
        if self.crop_to_foreground:
            volume = uncrop_from_box(volume, sizes.box, sizes.whole, pad_value)
        return from_canonical(volume, source.affine)

    def _on_grid(self, volume, source, resample_to):
        """A volume (i, j, k, ...) oriented, cropped and resampled: (x, y, z, ...)."""
        sizes = self._sizes(source)
        volume, _ = to_canonical(volume, source.affine)
        if self.crop_to_foreground:
            volume = crop_to_box(volume, sizes.box)
        if sizes.ratio is not None:
            volume = resample_to(volume, sizes.ratio, sizes.resampled)
        return volume

    def _with_volume_shape(self, volume, pad_value):
        """Crops or pads (x, y, z, ...) to `volume_shape`, which becomes static."""
        if self.volume_shape is None:
            return volume
        volume = crop_or_pad(volume, self.volume_shape, pad_value)
        return tf.ensure_shape(volume, [*self.volume_shape, *volume.shape[3:]])

    def _sizes(self, source):
        box = source.box(self.crop_to_foreground)
        whole = canonical_order(tf.cast(source.shape, tf.int32), source.affine)
        cropped = box_size(box, whole)
        if self.spacing_mm is None:
            return _Sizes(whole, box, cropped, None, cropped)
        ratio = self._ratio(source.affine)
        return _Sizes(whole, box, cropped, ratio, resampled_shape(cropped, ratio))

    def _ratio(self, affine):
        """New over old spacing (3,) along x, y and z."""
        spacing = canonical_order(voxel_spacing(affine), affine)
        return spacing_ratio(spacing, self.spacing_mm)
