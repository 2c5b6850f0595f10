"""Features of several voxels, where time is too short for one in each voxel.

A network whose finest features stand for 2x2x1 voxels takes a third of the time, and
still gives logits for each voxel. For classes that are large beside a voxel it is worth
more to see a whole volume in this way than a small patch of it in detail.
"""

import math

from tf_diffseg.runs.planning.resolutions import plan_resolutions

# Features that a ball of the volume of a class has at least across: a shell, such as the
# wall of a heart, still has two or three.
_ACROSS = 12
# Voxels that a feature has at most along an axis.
_MOST_VOXELS = 4
# Share of a step that goes by voxels: noise, masks, losses, augmentation, logits.
_SHARE_OF_VOXELS = 0.1


def patch_sizes(shape, spacing_mm, smallest_mm):
    """Voxels of a feature, from one on, each as the next resolution would have them.

    Args:
        shape: (x, y, z) voxels of a volume.
        spacing_mm: (x, y, z).
        smallest_mm: diameter of the smallest class; 0 if it is not known.

    Returns:
        List of (x, y, z), the first (1, 1, 1).
    """
    sizes = [(1, 1, 1)]
    while True:
        finest = sizes[-1]
        features = of_features(shape, finest)
        mm = [size * by for size, by in zip(spacing_mm, finest, strict=True)]
        factors = plan_resolutions(features, mm, 2).scale_factors[0]
        size = tuple(by * factor for by, factor in zip(finest, factors, strict=True))
        merged_mm = [
            by * length
            for by, length, factor in zip(size, spacing_mm, factors, strict=True)
            if factor > 1
        ]
        if not merged_mm or max(size) > _MOST_VOXELS:
            return sizes
        if _ACROSS * max(merged_mm) > smallest_mm:
            return sizes
        sizes.append(size)


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
