"""Checks a model's arguments about classes."""

import numbers

from tf_diffseg.training.batches.labels import LabelIds


def check_classes(num_classes, regions):
    """Raises ValueError unless there are enough classes, and ids for each region."""
    if regions is None:
        if num_classes < 2:
            raise ValueError(
                f"num_classes must be at least 2, background and one more, "
                f"got {num_classes}"
            )
    elif len(regions) != num_classes or not all(map(len, regions)):
        raise ValueError(
            f"regions must hold the label ids of each of num_classes={num_classes}, "
            f"got {regions}"
        )


def label_ids(num_classes, regions, ignore_label):
    """The `LabelIds` of batches. An id that is in no region is background.

    Raises:
        ValueError: ignore_label is no whole number, or one of the label ids.
    """
    num_ids, because = num_classes, f"num_classes={num_classes}"
    if regions is not None:
        largest = max(map(max, regions))
        num_ids, because = largest + 1, f"the largest id in regions is {largest}"
    if ignore_label is not None:
        is_whole = isinstance(ignore_label, numbers.Integral)
        if not is_whole or isinstance(ignore_label, bool):
            raise ValueError(
                f"ignore_label must be a whole number or None, got {ignore_label!r}"
            )
        if 0 <= ignore_label < num_ids or abs(ignore_label) >= 2**31:
            raise ValueError(
                f"ignore_label must be another number of 32 bits than the label ids 0 "
                f"to {num_ids - 1} ({because}), got {ignore_label}"
            )
        ignore_label = int(ignore_label)
    return LabelIds(num_ids, because, ignore_label)


def checked_frequencies(class_frequencies, num_classes):
    """Shares of voxels as a list of floats; None for None.

    Raises:
        ValueError: there is not one share in [0, 1] for each class.
    """
    if class_frequencies is None:
        return None
    frequencies = [float(share) for share in class_frequencies]
    if len(frequencies) != num_classes or not all(0.0 <= f <= 1.0 for f in frequencies):
        raise ValueError(
            f"class_frequencies must be {num_classes} shares in [0, 1], one for each "
            f"class, got {frequencies}"
        )
    return frequencies
