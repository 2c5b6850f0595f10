"""Volume of each class of a data set, in its files and in its shards."""

import dataclasses

import numpy as np
from scipy import ndimage

from tf_diffseg.text_table import text_table


@dataclasses.dataclass(frozen=True)
class ClassVolumes:
    """Totals over cases, each an array with a number per class.

    Attributes:
        cases: cases that have the class.
        voxels: voxels of the class.
        ml: its volume.
        components: pieces that do not touch, not even at corners, 0 for background;
            None if they were not counted.
    """

    cases: np.ndarray
    voxels: np.ndarray
    ml: np.ndarray
    components: np.ndarray | None = None

    def __add__(self, other):
        pairs = [
            (getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        ]
        return ClassVolumes(*(None if a is None else a + b for a, b in pairs))

    @classmethod
    def of_label(cls, label, voxel_ml, num_classes):
        """Counts the classes of a label map (i, j, k) with voxels of `voxel_ml`."""
        # Ignored voxels hold the id after the last.
        voxels = np.bincount(np.ravel(label), minlength=num_classes)[:num_classes]
        components = np.zeros(num_classes, int)
        boxes = ndimage.find_objects(label, num_classes - 1)
        for class_id, box in enumerate(boxes, 1):
            if box is not None:
                mask = label[box] == class_id
                components[class_id] = ndimage.label(mask, np.ones((3, 3, 3)))[1]
        return cls((voxels > 0).astype(int), voxels, voxels * voxel_ml, components)

    @classmethod
    def of_manifest(cls, manifest, prefix=""):
        """Reads the totals that a `manifest.Manifest` holds.

        Args:
            manifest: `Manifest`.
            prefix: "" for files or "stored_" for shards.

        Returns:
            `ClassVolumes`, or None if an older version wrote the manifest.
        """
        names = [f"{prefix}{name}_per_class" for name in ("cases", "voxels", "ml")]
        splits = [split.statistics for split in manifest.splits.values()]
        if not all(name in split for split in splits for name in names):
            return None
        return cls(*(sum(np.array(split[name]) for split in splits) for name in names))


def volumes_table(source, stored, class_names):
    """A table of the `ClassVolumes` of files and of shards, as lines of text."""
    columns = ["cases", "voxels", "ml"]
    columns += ["components"] if source.components is not None else []
    rows = [["class"], [""]]
    for column in columns:
        rows[0] += ["", column]
        rows[1] += ["files", "shards"]
    for class_id, name in enumerate(class_names):
        cells = [name]
        for column in columns:
            for volumes in (source, stored):
                value = getattr(volumes, column)[class_id]
                text = f"{value:.4g}" if column == "ml" else str(value)
                hidden = column == "components" and not class_id
                cells.append("-" if hidden else text)
        rows.append(cells)
    return text_table(rows, right=range(1, len(rows[0])))
