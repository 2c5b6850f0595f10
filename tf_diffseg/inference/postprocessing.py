"""What is known of anatomy, put right in a label map."""

import dataclasses

import numpy as np
from scipy import ndimage


@dataclasses.dataclass(frozen=True)
class PostProcessing:
    """Cleans each foreground class of a label map, in this order.

    Two voxels are of one component, and a hole is shut, where they share a face.
    What is taken away becomes background, class 0.

    Attributes:
        fill_holes: whether background that a class shuts in becomes that class;
            other classes in a hole stay.
        min_volume_ml: components that are smaller go.
        largest_component: whether only the largest component of a class stays; the
            first in memory order of equal ones.

    Raises:
        ValueError: the volume is negative.
    """

    fill_holes: bool = False
    min_volume_ml: float = 0.0
    largest_component: bool = False

    def __post_init__(self):
        if not self.min_volume_ml >= 0.0:
            raise ValueError(
                f"min_volume_ml must be at least 0, got {self.min_volume_ml}"
            )

    @property
    def is_active(self):
        """Whether it does anything at all."""
        return self.fill_holes or self.min_volume_ml > 0.0 or self.largest_component

    def __call__(self, class_ids, voxel_ml):
        """Cleans a label map.

        Args:
            class_ids: int [i, j, k].
            voxel_ml: volume of a voxel.

        Returns:
            A new array of the same shape and type.
        """
        cleaned = np.array(class_ids)
        for class_id in np.unique(cleaned[cleaned > 0]):
            (box,) = ndimage.find_objects((cleaned == class_id).astype(np.uint8))
            # A view: what is written to it is written to the label map.
            region = cleaned[box]
            mask = region == class_id
            if self.fill_holes:
                mask = ndimage.binary_fill_holes(mask) & (mask | (region == 0))
            kept = mask & self._kept(mask, voxel_ml)
            region[region == class_id] = 0
            region[kept] = class_id
        return cleaned

    def _kept(self, mask, voxel_ml):
        if not self.largest_component and self.min_volume_ml == 0.0:
            return mask
        components, count = ndimage.label(mask)
        voxels = np.bincount(components.ravel(), minlength=count + 1)
        is_kept = voxels * voxel_ml >= self.min_volume_ml
        is_kept[0] = False
        if self.largest_component:
            is_kept &= np.arange(count + 1) == np.argmax(voxels[1:]) + 1
        return is_kept[components]
