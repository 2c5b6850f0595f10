"""Background that is enclosed by classes."""

import numpy as np
from scipy import ndimage


def fill_holes(class_ids):
    """Gives each hole to the class that encloses it most directly.

    A hole is a component of background that does not reach the border of the volume;
    its voxels are connected by faces. A single slice has no border before and behind
    it. A hole becomes the class with most of the faces around it. If several classes
    have equally many, it becomes the one with more voxels, then the one with the lower
    class id.

    Args:
        class_ids: int [i, j, k], 0 for background; it is changed in place.
    """
    if not class_ids.any():
        return
    (box,) = ndimage.find_objects((class_ids != 0).astype(np.uint8))
    region = class_ids[box]
    # Background outside the box of all foreground reaches the border.
    border = [int(size > 1) for size in class_ids.shape]
    padded = np.pad(region == 0, [(by, by) for by in border], constant_values=True)
    components, count = ndimage.label(padded)
    if count < 2:
        return
    outside = components[0, 0, 0]
    inside = tuple(
        slice(by, size - by) for by, size in zip(border, padded.shape, strict=True)
    )
    holes = np.where(components == outside, 0, components)[inside]
    owners = _owners(region, holes, count)
    region[holes > 0] = owners[holes[holes > 0]]


def _owners(region, holes, count):
    """Class id for each component of background, [count + 1]."""
    classes, voxels = np.unique(region[region != 0], return_counts=True)
    faces = np.zeros((count + 1, len(classes)), np.int64)
    for axis in range(3):
        for ahead in (slice(1, None), slice(None, -1)):
            behind = slice(None, -1) if ahead.start else slice(1, None)
            here, there = ((slice(None),) * axis + (part,) for part in (ahead, behind))
            is_face = (holes[here] > 0) & (region[there] != 0)
            index = np.searchsorted(classes, region[there][is_face])
            np.add.at(faces, (holes[here][is_face], index), 1)
    # `argmax` takes the first of equal ones: sort by voxels, then by lowest class id.
    order = np.lexsort((-classes, voxels))
    ranked = faces[:, order[::-1]]
    return classes[order[::-1]][np.argmax(ranked, axis=1)].astype(region.dtype)
