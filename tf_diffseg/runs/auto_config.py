"""Patch, scale factors and batch size for a data set and a memory budget.

Measured on the default network (16, 32, 64, 128 features, float32, CPU, one patch of
48 or 64 cubed): the recycling train step raises the peak memory by 1.9 to 2.5 kB per
voxel, which is 122 to 157 bytes per feature at the finest resolution; the process
itself takes 1 GiB. Only the finest features are counted: they take most memory.
"""

import math

from tf_diffseg.errors import InputError

BYTES_PER_VOXEL_AND_FEATURE = 160
PROCESS_GIB = 1.0
# An axis keeps its resolution if its voxels are more than this many times as long as
# the shortest: neighbours along it have as little in common as distant voxels along
# other axes.
ANISOTROPY = 2.0
LARGEST_BATCH = 2
SMALLEST_PATCH = 16


def recommended_config(fingerprint, preprocessing, num_channels, memory_gib):
    """Values of a `TrainConfig` that suit a data set.

    The rules:

    * `scale_factor` is 2 along axes whose voxels are at most twice as long as the
      shortest, and 1 along others.
    * `patch_shape` is `volume_shape`, or else the median shape of the cases at the
      spacing of training, rounded up to a multiple of the network's total scale factor.
      While one patch exceeds the budget, the axis that is longest in mm is cut by one
      such multiple.
    * `batch_size` is 2 if that many patches fit, else 1.

    Args:
        fingerprint: `Manifest.fingerprint`.
        preprocessing: `Manifest.preprocessing`.
        num_channels: features at each resolution, finest first.
        memory_gib: budget of the training process, on the device that trains.

    Returns:
        Dict of `patch_shape`, `scale_factor` and `batch_size`.

    Raises:
        InputError: not even the smallest patch fits.
    """
    spacing_mm = preprocessing["spacing_mm"] or fingerprint["spacing_mm"]["median"]
    is_scaled = [value <= ANISOTROPY * min(spacing_mm) for value in spacing_mm]
    scale_factor = tuple(2 if scaled else 1 for scaled in is_scaled)
    steps = [factor ** (len(num_channels) - 1) for factor in scale_factor]
    smallest = [
        step * math.ceil(SMALLEST_PATCH / step) if scaled else step
        for step, scaled in zip(steps, is_scaled, strict=True)
    ]
    wanted = preprocessing["volume_shape"] or _median_shape(fingerprint, spacing_mm)
    patch = [
        max(step * math.ceil(size / step), least)
        for size, step, least in zip(wanted, steps, smallest, strict=True)
    ]
    budget = (memory_gib - PROCESS_GIB) * 2**30
    voxels = int(budget / (BYTES_PER_VOXEL_AND_FEATURE * num_channels[0]))
    while math.prod(patch) > voxels:
        shrinkable = [axis for axis in range(3) if patch[axis] > smallest[axis]]
        if not shrinkable:
            raise InputError(
                f"a patch of {'x'.join(map(str, patch))} does not fit in "
                f"{memory_gib:g} GiB: give more memory or fewer features"
            )
        longest = max(shrinkable, key=lambda axis: patch[axis] * spacing_mm[axis])
        patch[longest] -= steps[longest]
    return {
        "patch_shape": tuple(patch),
        "scale_factor": scale_factor,
        "batch_size": max(1, min(LARGEST_BATCH, voxels // math.prod(patch))),
    }


def _median_shape(fingerprint, spacing_mm):
    extent_mm = fingerprint["extent_mm"]["median"]
    return [round(mm / step) for mm, step in zip(extent_mm, spacing_mm, strict=True)]
