"""Figures of one case, for the manifest and for the choice of preprocessing."""

import dataclasses
import math

import numpy as np

from data_tools.conversion.intensity_statistics import describe_intensity
from tf_diffseg.preprocessing.orientation import canonical_axes
from tf_diffseg.volumes.voxels import count_values, voxel_digest

# Foreground intensities kept per case and channel: enough for percentiles of a data
# set in which every case has the same weight.
_MOST_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class CaseMeasures:
    """Figures of one case in its files.

    Attributes:
        source_shape: (3,) along the axes of the file.
        source_spacing_mm: (3,) along the axes of the file.
        ras_shape: (3,) along x, y and z: right, anterior and superior.
        ras_spacing_mm: (3,) along x, y and z.
        foreground_mm: extent of all labelled voxels along x, y and z, or None if
            there are none.
        intensity: dict from statistic to values per channel.
        is_whole: whether all intensities are whole numbers.
        foreground_samples: per channel, sorted intensities of at most 1000 labelled
            voxels, spread evenly over the foreground.
        voxels_per_class: number of voxels of each class.
        label_sha256: of the class ids, or None if there is no foreground.
        remarks: pairs of a check and what it found odd in the files.
        ignored_voxels: number of voxels that have no class.
        bright_shape: (3,) along x, y and z, of what `crop_to_foreground` keeps; None if
            an earlier version measured the case.
    """

    source_shape: list[int]
    source_spacing_mm: list[float]
    ras_shape: list[int]
    ras_spacing_mm: list[float]
    foreground_mm: list[float] | None
    intensity: dict[str, list[float]]
    is_whole: bool
    foreground_samples: list[list[float]]
    voxels_per_class: list[int]
    label_sha256: str | None = None
    remarks: list[list[str]] = dataclasses.field(default_factory=list)
    ignored_voxels: int = 0
    bright_shape: list[int] | None = None

    @property
    def voxel_ml(self):
        """Volume of a voxel of the file in ml."""
        return math.prod(self.source_spacing_mm) / 1000.0


@dataclasses.dataclass(frozen=True)
class CaseSummary:
    """Figures of one converted case.

    Attributes:
        measures: `CaseMeasures` of its files.
        shape: (3,) of the processed grid.
        spacing_mm: (3,) of the processed grid.
        uncropped_voxels: number of voxels of each class before the crop to
            `volume_shape`.
        stored_voxels: number of voxels of each class on the processed grid.
        constant_channels: channels of the processed image that have one value.
        flat_channels: channels whose percentiles are equal, see `intensity`.
    """

    measures: CaseMeasures
    shape: list[int]
    spacing_mm: list[float]
    uncropped_voxels: list[int]
    stored_voxels: list[int]
    constant_channels: list[int]
    flat_channels: list[int]

    @property
    def cropped_voxels(self):
        """Labelled voxels that the crop to `volume_shape` took away."""
        return sum(self.uncropped_voxels[1:]) - sum(self.stored_voxels[1:])

    @property
    def voxel_ml(self):
        """Volume of a voxel of the processed grid in ml."""
        return math.prod(self.spacing_mm) / 1000.0

    @classmethod
    def from_json(cls, fields):
        """The summary that `dataclasses.asdict` turned into `fields`."""
        return cls(**{**fields, "measures": CaseMeasures(**fields["measures"])})


def measure_case(image, class_ids, num_classes):
    """Measures one case.

    Args:
        image: `volume.Volume` of float32 (i, j, k, channels).
        class_ids: integers (i, j, k) on its grid; voxels of `num_classes` have no
            class and are neither foreground nor background.
        num_classes: number of classes of the data set.

    Returns:
        `CaseMeasures`.
    """
    order = canonical_axes(image.affine)[0].numpy()
    shape, spacing_mm = np.array(class_ids.shape), image.spacing_mm
    is_foreground = class_ids != 0
    counts = _voxels_per_id(class_ids, num_classes, is_foreground)
    if counts[-1]:
        is_foreground &= class_ids != num_classes
    extent = _extent(is_foreground)
    bright = _extent(_is_bright(image.array))
    intensity, is_whole = describe_intensity(image.array)
    return CaseMeasures(
        source_shape=shape.tolist(),
        source_spacing_mm=spacing_mm.tolist(),
        ras_shape=shape[order].tolist(),
        ras_spacing_mm=spacing_mm[order].tolist(),
        foreground_mm=None if extent is None else (extent * spacing_mm)[order].tolist(),
        intensity=intensity,
        is_whole=is_whole,
        foreground_samples=_foreground_samples(image.array, is_foreground),
        voxels_per_class=counts[:-1],
        label_sha256=(
            None if extent is None else voxel_digest([class_ids], class_ids.dtype)
        ),
        ignored_voxels=counts[-1],
        bright_shape=(shape if bright is None else bright)[order].tolist(),
    )


def _is_bright(image):
    """Voxels brighter than a channel's darkest, as in `foreground.foreground_box`."""
    return (image > image.min(axis=(0, 1, 2))).any(axis=-1)


def voxels_per_class(class_ids, num_classes):
    """List of the number of voxels of each class, for `class_ids` (i, j, k)."""
    return _voxels_per_id(class_ids, num_classes, class_ids != 0)[:-1]


def _voxels_per_id(class_ids, num_classes, is_not_background):
    """`voxels_per_class`, and then the number of voxels without a class."""
    # Most voxels are background, so they are not counted one by one.
    others = class_ids[is_not_background]
    counts = count_values(others, num_classes + 1)
    counts[0] = class_ids.size - others.size
    return counts.tolist()


def _extent(is_inside):
    """Voxels (3,) that what is inside spans along each axis, or None."""
    columns = is_inside.any(axis=2)
    if not columns.any():
        return None
    occupied = columns.any(axis=1), columns.any(axis=0), is_inside.any(axis=(0, 1))
    indices = [np.flatnonzero(along_axis) for along_axis in occupied]
    return np.array([index[-1] - index[0] + 1 for index in indices])


def _foreground_samples(image, is_foreground):
    foreground = np.flatnonzero(is_foreground)
    step = max(1, math.ceil(foreground.size / _MOST_SAMPLES))
    samples = image.reshape(-1, image.shape[-1])[foreground[::step]]
    return np.sort(samples, axis=0).T.tolist()
