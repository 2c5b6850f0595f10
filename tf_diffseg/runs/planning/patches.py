"""Patches to train on, from the wanted shape down to the smallest."""

import math

from tf_diffseg.runs.planning.resolutions import plan_resolutions

# Axes are not cut to fewer voxels than this.
SMALLEST = 16


def patch_candidates(wanted_shape, spacing_mm, num_levels=None):
    """Patches of falling size, with the resolutions that suit each.

    The patch of the wanted shape comes first. Each further one is shorter along the
    axis that is longest in mm, or along all such axes if they are equal: patches
    become cubes in mm. The candidates do not depend on memory, so that more memory
    never gives a patch that is shorter along any axis.

    Args:
        wanted_shape: (x, y, z) voxels.
        spacing_mm: (x, y, z).
        num_levels: as for `plan_resolutions`.

    Yields:
        (patch, `Resolutions`); the multiple of the resolutions divides the patch.
    """
    sizes, largest = tuple(wanted_shape), (math.inf,) * 3
    while True:
        resolutions = plan_resolutions(sizes, spacing_mm, num_levels)
        patch = tuple(map(_rounded, sizes, resolutions.multiple, largest))
        yield patch, resolutions
        lengths_mm = [
            size * mm if size > max(SMALLEST, step) else 0.0
            for size, mm, step in zip(
                patch, spacing_mm, resolutions.multiple, strict=True
            )
        ]
        longest = max(lengths_mm)
        if not longest:
            return
        is_cut = [length > 0.999 * longest for length in lengths_mm]
        sizes = tuple(
            max(SMALLEST, size - step) if cut else size
            for size, step, cut in zip(patch, resolutions.multiple, is_cut, strict=True)
        )
        # A cut axis has to become shorter, whatever the next multiple.
        largest = tuple(
            size - 1 if cut else size for size, cut in zip(patch, is_cut, strict=True)
        )


def _rounded(size, multiple, largest):
    """`size` rounded up to a multiple, or down if that is more than `largest`."""
    rounded = multiple * math.ceil(size / multiple)
    return rounded if rounded <= largest else multiple * (largest // multiple)
