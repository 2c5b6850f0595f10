"""Which cases are validated together."""

import math


def batches_of_one_shape(shapes, batch_voxels, num_devices=1):
    """Groups cases into batches, one for one device each.

    Cases of one batch have one shape: padding would change what a network that
    normalises over a volume sees. A batch holds as many as `batch_voxels` allow, one at
    least, and no more than leaves every device something to do.

    Args:
        shapes: (x, y, z) of each case.
        batch_voxels: voxels of a batch at most, unless one case has more.
        num_devices: devices that the batches are dealt out to in turn.

    Returns:
        List of lists of numbers of cases; each case is in one of them. Those of many
        voxels come first, so that devices that work side by side take alike long.
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
