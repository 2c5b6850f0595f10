"""Groups cases into batches for validation."""

import math

from tf_diffseg.data.windows import window_starts


def batches_of_one_shape(shapes, batch_voxels, num_devices=1):
    """Groups cases into batches of one shape.

    Cases are not padded, because padding changes the output of a network that
    normalises over a volume. A batch has at least one case, and not so many that a
    device would have none.

    Args:
        shapes: (x, y, z) of each case.
        batch_voxels: largest number of voxels of a batch of several cases.
        num_devices: number of devices that get the batches in turn.

    Returns:
        List of batches, each a list of indices of cases. Large cases come first, so
        that devices that work side by side need about the same time.
    """
    by_shape = {}
    for case, shape in enumerate(shapes):
        by_shape.setdefault(tuple(shape), []).append(case)
    batches = []
    for shape, cases in sorted(by_shape.items(), key=lambda item: -math.prod(item[0])):
        fitting = max(batch_voxels // max(math.prod(shape), 1), 1)
        size = min(fitting, math.ceil(len(cases) / num_devices))
        batches += [cases[i : i + size] for i in range(0, len(cases), size)]
    return batches


def batches_of_windows(shapes, window_shape, batch_voxels):
    """Groups the windows that cover each case into batches.

    Args:
        shapes: (x, y, z) of each case.
        window_shape: (x, y, z) voxels of a window.
        batch_voxels: largest number of voxels of a batch of several windows.

    Returns:
        List of batches, each of windows of one case: a list of (index of the case,
        first voxel along x, y, z), see `windows.window_starts`.
    """
    size = max(batch_voxels // math.prod(window_shape), 1)
    batches = []
    for case, shape in enumerate(shapes):
        windows = [(case, *start) for start in window_starts(shape, window_shape)]
        batches += [windows[i : i + size] for i in range(0, len(windows), size)]
    return batches
