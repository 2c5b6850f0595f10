"""The resolutions of a network for volumes of a shape and a spacing.

The rules are those of nnU-Net (Isensee et al., Nature Methods 2021, supplementary
note 2): an axis is halved while it is long enough and its voxels are not much longer
than those of the other axes, and convolutions mix voxels along an axis from the
resolution on at which its voxels are about as long as the others.
"""

import dataclasses
import math

# Voxels that an axis keeps at least at the coarsest resolution.
SHORTEST = 4
# Voxels along an axis are long if they are more than this many times as long as the
# shortest: neighbours along it have as little in common as distant voxels along
# another axis.
ANISOTROPY = 2.0
MOST_LEVELS = 6
# Of axes with so few voxels, headers often give a spacing that nobody measured: scanned
# parts of the body are rarely this many times as long along one axis as along another.
_FEW_VOXELS = 24
_FLAT = 8.0
_ASSUMED_FLATNESS = 4.0
_TOLERANCE = 1.001


@dataclasses.dataclass(frozen=True)
class Resolutions:
    """The resolutions of a network, finest first.

    Attributes:
        scale_factors: (x, y, z) from each resolution to the next.
        kernel_sizes: (x, y, z) at each resolution.
    """

    scale_factors: tuple[tuple[int, ...], ...]
    kernel_sizes: tuple[tuple[int, ...], ...]

    @property
    def multiple(self):
        """Voxels per axis that one feature at the coarsest resolution stands for."""
        return tuple(
            math.prod(factor[axis] for factor in self.scale_factors)
            for axis in range(3)
        )


def plan_resolutions(shape, spacing_mm, num_levels=None):
    """Plans the resolutions for volumes of one shape.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: (x, y, z).
        num_levels: number of resolutions; None for as many as the shape has room for,
            at most `MOST_LEVELS`.

    Returns:
        `Resolutions`.
    """
    sizes, spacing_mm = list(shape), list(spacing_mm)
    factors, kernels = [], [_kernel(sizes, spacing_mm, (1, 1, 1))]
    while len(kernels) < (num_levels or MOST_LEVELS):
        factor = _factor(sizes, spacing_mm)
        if num_levels is None and max(factor) == 1:
            break
        sizes = [math.ceil(size / by) for size, by in zip(sizes, factor, strict=True)]
        spacing_mm = [mm * by for mm, by in zip(spacing_mm, factor, strict=True)]
        factors.append(factor)
        kernels.append(_kernel(sizes, spacing_mm, kernels[-1]))
    return Resolutions(tuple(factors), tuple(kernels))


def assumed_spacing(shape, spacing_mm):
    """The spacing to plan by, where that of the headers cannot be true.

    Args:
        shape: (x, y, z) voxels.
        spacing_mm: (x, y, z) of the headers.

    Returns:
        (x, y, z) in mm: along axes of few voxels that would make the volume very flat,
        the spacing of a volume a quarter as long as its longest axis. A single slice
        is no volume and keeps its own.
    """
    extents = [size * mm for size, mm in zip(shape, spacing_mm, strict=True)]
    longest = max(extents)
    return tuple(
        longest / _ASSUMED_FLATNESS / size
        if 1 < size < _FEW_VOXELS and extent * _FLAT < longest
        else mm
        for size, mm, extent in zip(shape, spacing_mm, extents, strict=True)
    )


def _factor(sizes, spacing_mm):
    """Factors to the next resolution."""
    finest = _finest(sizes, spacing_mm)
    is_halved = [
        _is_long(size) and _is_near(mm, finest)
        for size, mm in zip(sizes, spacing_mm, strict=True)
    ]
    # A resolution for one axis alone has to be worth its features.
    if sum(is_halved) == 1 and sizes[is_halved.index(True)] < 3 * SHORTEST:
        return (1, 1, 1)
    return tuple(2 if halved else 1 for halved in is_halved)


def _kernel(sizes, spacing_mm, finer):
    """Kernel at a resolution; an axis once mixed stays mixed."""
    finest = _finest(sizes, spacing_mm)
    return tuple(
        3 if kernel == 3 or (size > 1 and _is_near(mm, finest)) else 1
        for size, mm, kernel in zip(sizes, spacing_mm, finer, strict=True)
    )


def _finest(sizes, spacing_mm):
    """The finest spacing of the axes that can be halved, or of all if none can."""
    pairs = list(zip(sizes, spacing_mm, strict=True))
    return min([mm for size, mm in pairs if _is_long(size)] or spacing_mm)


def _is_long(size):
    return size >= 2 * SHORTEST


def _is_near(spacing_mm, finest_mm):
    return spacing_mm <= ANISOTROPY * _TOLERANCE * finest_mm
