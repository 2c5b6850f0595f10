"""Corrections of a label map by what is known of anatomy."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from tf_diffseg.inference.holes import fill_holes


@dataclasses.dataclass(frozen=True)
class PostProcessing:
    """Cleans a label map: fills holes, then drops components of each class.

    Voxels that share a face are of one component. Dropped voxels become background,
    class 0, or if classes overlap what is left of them there.

    Attributes:
        fill_holes: whether enclosed background becomes the class that encloses it
            most directly, see `holes.fill_holes`; other classes in it stay.
        min_volume_ml: smaller components are dropped.
        largest_component: whether only the largest component of each class stays; if
            several are equally large, the first in memory order.
        keep_components: dict from class id to how many of its largest components
            stay; `largest_component` decides for classes that are not in it.
        regions: if classes overlap, for each region the class id that it is written as
            and those that it consists of. Components then are those of regions.

    Raises:
        ValueError: the volume is negative, or a class id or a number is below 1.
    """

    fill_holes: bool = False
    min_volume_ml: float = 0.0
    largest_component: bool = False
    keep_components: Mapping[int, int] = dataclasses.field(default_factory=dict)
    regions: Sequence[tuple[int, Sequence[int]]] = ()

    def __post_init__(self):
        if not self.min_volume_ml >= 0.0:
            raise ValueError(
                f"min_volume_ml must be at least 0, got {self.min_volume_ml}"
            )
        for class_id, count in self.keep_components.items():
            if class_id < 1 or count < 1:
                raise ValueError(
                    "keep_components must be class ids and numbers of 1 and more, got "
                    f"{dict(self.keep_components)}"
                )

    @property
    def is_active(self):
        """Whether it can change a label map."""
        return self.fill_holes or self._drops

    @property
    def _drops(self):
        return bool(
            self.min_volume_ml > 0.0 or self.largest_component or self.keep_components
        )

    def __call__(self, class_ids, voxel_ml):
        """Cleans a label map.

        Args:
            class_ids: int [i, j, k].
            voxel_ml: volume of a voxel in ml.

        Returns:
            A new array of the same shape and type.
        """
        cleaned = np.array(class_ids)
        if self.fill_holes:
            fill_holes(cleaned)
        if not self._drops:
            return cleaned
        if self.regions:
            return self._with_kept_regions(cleaned, voxel_ml)
        for class_id in np.unique(cleaned[cleaned > 0]):
            (box,) = ndimage.find_objects((cleaned == class_id).astype(np.uint8))
            # A view: changes of it change the label map.
            region = cleaned[box]
            mask = region == class_id
            region[mask & ~self._kept(mask, int(class_id), voxel_ml)] = 0
        return cleaned

    def _with_kept_regions(self, class_ids, voxel_ml):
        """Writes what stays of each region, in the order of the regions."""
        cleaned = np.zeros_like(class_ids)
        for written_id, ids in self.regions:
            mask = np.isin(class_ids, ids)
            cleaned[self._kept(mask, written_id, voxel_ml)] = written_id
        return cleaned

    def _kept(self, mask, class_id, voxel_ml):
        """The voxels of a class [i, j, k] that stay."""
        components, count = ndimage.label(mask)
        voxels = np.bincount(components.ravel(), minlength=count + 1)
        is_kept = voxels * voxel_ml >= self.min_volume_ml
        is_kept[0] = False
        most = self.keep_components.get(class_id, 1 if self.largest_component else None)
        if most is not None:
            largest = np.argsort(-voxels[1:], kind="stable")[:most] + 1
            is_kept &= np.isin(np.arange(count + 1), largest)
        return is_kept[components]
