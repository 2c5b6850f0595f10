"""Groups cases into batches for validation."""

import math


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


def batches_of_slices(shapes, axis, batch_voxels):
    """Groups the slices of each case into batches.

    Args:
        shapes: (x, y, z) of each case.
        axis: across which the slices lie.
        batch_voxels: largest number of voxels of a batch of several slices.

    Returns:
        List of batches: index of the case, its first slice, and the end of the slices.
        Large cases come first.
    """
    batches = []
    for case, shape in sorted(enumerate(shapes), key=lambda item: -math.prod(item[1])):
        number = shape[axis]
        size = max(batch_voxels * number // max(math.prod(shape), 1), 1)
        batches += [
            [case, first, min(first + size, number)] for first in range(0, number, size)
        ]
    return batches
