"""Which windows of which cases are validated, and together."""

import math

from tf_diffseg.data.windows import window_of, window_starts


def validated_windows(labels, window_shape, ignored_id=None):
    """The windows of `windows.window_starts` that have foreground.

    A window without any has no Dice, or 0 for a single voxel. Of a case without
    foreground all are taken, since what is invented there counts.

    Args:
        labels: iterable of the class ids (x, y, z) of each case.
        window_shape: (x, y, z) voxels of a window.
        ignored_id: id of voxels whose class is not known, or None.

    Returns:
        List of (index of the case, first voxel along x, y, z).
    """
    windows = []
    for case, label in enumerate(labels):
        is_foreground = (label > 0) & (label != ignored_id)
        starts = window_starts(label.shape, window_shape)
        counted = [
            start
            for start in starts
            if window_of(is_foreground, start, window_shape).any()
        ]
        windows += [(case, *start) for start in counted or starts]
    return windows


def batches_of_windows(windows, window_shape, batch_voxels, num_devices=1):
    """Groups windows into batches.

    Args:
        windows: list, as from `validated_windows`.
        window_shape: (x, y, z) voxels of a window.
        batch_voxels: largest number of voxels of a batch of several windows.
        num_devices: number of devices that get the batches in turn; none is to have
            nothing because batches are large.

    Returns:
        List of batches, each a list of windows; all but the last are equally large.
    """
    fitting = max(batch_voxels // math.prod(window_shape), 1)
    size = max(1, min(fitting, math.ceil(len(windows) / num_devices)))
    return [windows[i : i + size] for i in range(0, len(windows), size)]
