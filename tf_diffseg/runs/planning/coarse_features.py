"""Features of several voxels, where time is too short for one in each voxel.

A network whose finest features stand for 2x2x1 voxels takes a third of the time, and
still gives logits for each voxel. For classes that are large beside a voxel it is worth
more to see a whole volume in this way than a small patch of it in detail.
"""

import math

# Features across a ball of the volume of a class, at least, along the axes along which
# they are made longer. A shell, such as the wall of a heart, then has two or three.
_ACROSS = 12
# Axes of fewer features are left as they are.
_FEW_FEATURES = 16
# Voxels that a feature has at most along an axis.
_MOST_VOXELS = 4
# Share of a step that goes by voxels: noise, masks, losses, augmentation, logits.
_SHARE_OF_VOXELS = 0.1


def patch_sizes(shape, spacing_mm, smallest_mm):
    """Voxels of a feature, from one on, each twice as long along some axes.

    These are the axes along which features are short beside others, or all if features
    are about as long as wide, but none of few features.

    Args:
        shape: (x, y, z) voxels of a volume.
        spacing_mm: (x, y, z).
        smallest_mm: diameter of the smallest class; 0 if it is not known.

    Returns:
        List of (x, y, z), the first (1, 1, 1).
    """
    sizes: list[tuple[int, ...]] = [(1, 1, 1)]
    while True:
        doubled = _doubled(sizes[-1], shape, spacing_mm)
        size = tuple(
            2 * by if axis in doubled else by for axis, by in enumerate(sizes[-1])
        )
        lengths = [size[axis] * spacing_mm[axis] for axis in doubled]
        if not doubled or max(size) > _MOST_VOXELS:
            return sizes
        if _ACROSS * max(lengths) > smallest_mm:
            return sizes
        sizes.append(size)


def _doubled(patch_size, shape, spacing_mm):
    """Axes along which features may become twice as long."""
    features = of_features(shape, patch_size)
    long = [axis for axis in range(3) if features[axis] >= _FEW_FEATURES]
    lengths = [by * mm for by, mm in zip(patch_size, spacing_mm, strict=True)]
    longest = max([lengths[axis] for axis in long], default=0.0)
    short = [axis for axis in long if math.sqrt(2.0) * lengths[axis] <= longest]
    return short or long


def of_features(shape, patch_size):
    """(x, y, z) features of a volume of so many voxels."""
    return tuple(
        math.ceil(size / by) for size, by in zip(shape, patch_size, strict=True)
    )


def relative_cost(shape, patch_size):
    """Voxels of a volume with a feature in each that cost as much time as this one."""
    share = _SHARE_OF_VOXELS + (1.0 - _SHARE_OF_VOXELS) / math.prod(patch_size)
    return share * math.prod(shape)


def smallest_class_mm(class_ml):
    """Diameter of a ball of the median volume of the smallest class.

    Args:
        class_ml: of a fingerprint, background first; None if it has none.

    Returns:
        mm, or 0 if no volume is known.
    """
    medians = [spread["median"] for spread in (class_ml or [])[1:] if spread]
    return 2.0 * (0.75 / math.pi * 1000.0 * min(medians, default=0.0)) ** (1.0 / 3.0)
