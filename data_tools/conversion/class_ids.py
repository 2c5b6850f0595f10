"""Replaces the values of label files by class ids."""

import numpy as np

from tf_diffseg.data.example_schema import label_dtype
from tf_diffseg.errors import InputError
from tf_diffseg.volumes.voxels import LARGEST_TABLE, distinct_values


def to_class_ids(label, label_values, ignore_label=None):
    """Replaces the values of a label file by class ids.

    Args:
        label: `volume.Volume` of integers (i, j, k).
        label_values: declared value per class id, ascending.
        ignore_label: value of voxels without a class, or None.

    Returns:
        Class ids (i, j, k) of the smallest type that holds them. Voxels without a
        class get the number of classes.

    Raises:
        InputError: if the file holds a value that is not declared.
    """
    num_classes = len(label_values)
    ignored = [] if ignore_label is None else [ignore_label]
    values = [*label_values, *ignored]
    dtype = label_dtype(len(values))
    low, high = int(label.array.min()), int(label.array.max())
    if low >= 0 and high < len(values) and values == list(range(len(values))):
        return label.array.astype(dtype, copy=False)  # the values are the class ids
    if high - low >= LARGEST_TABLE:
        class_ids = np.searchsorted(label_values, label.array).astype(dtype)
        class_ids[np.isin(label.array, ignored)] = num_classes
    else:
        table = np.searchsorted(label_values, np.arange(low, high + 1))
        table[np.isin(np.arange(low, high + 1), ignored)] = num_classes
        class_ids = table.astype(dtype)[label.array - np.int32(low)]
    undeclared = sorted(set(distinct_values(label.array)) - set(values))
    if undeclared:
        raise InputError(
            f"{label.path} holds the label value {', '.join(map(str, undeclared))}, "
            f"the data set declares {', '.join(map(str, label_values))}"
            f"{''.join(f' and ignores {value}' for value in ignored)}"
        )
    return class_ids
