"""The ignore label: a value of label files that says that nothing is known there.

nnU-Net v2 has it as the class "ignore" of `labels`; so does this project in each
convention. A `dataset.json` may also have it as `"ignore_label": 255`, and every
command takes `--ignore_label=255`. In shards such voxels hold the class id after the
last, whatever the value in the files is.
"""

import dataclasses

from tf_diffseg.errors import InputError
from tf_diffseg.text import shown

# Of the class that is none.
NAME = "ignore"
_LARGEST = 2**31 - 1


def take_ignored(path, names, fields=None):
    """Takes the ignore label out of the classes that a data set declares.

    Args:
        path: of the file that declares them, for messages.
        names: dict from value to name.
        fields: the JSON object that the file holds, if it is one.

    Returns:
        (dict from value to name of the classes that are left, ignore label or None).

    Raises:
        InputError: if there are several, or it is the value of a class as well.
    """
    ignored = [v for v, name in names.items() if str(name).strip().lower() == NAME]
    classes = {value: name for value, name in names.items() if value not in ignored}
    given = (fields or {}).get("ignore_label")
    if given is not None:
        ignored.append(given)
    if not ignored:
        return classes, None
    if len(set(map(repr, ignored))) > 1:
        raise InputError(
            f"{path} declares several ignore labels, {', '.join(map(shown, ignored))}, "
            "expected one"
        )
    _check(f"{path}: the ignore label", ignored[0], classes)
    return classes, ignored[0]


def with_ignore_label(dataset, value):
    """A data set of which a value is ignored by `--ignore_label`.

    Args:
        dataset: `dataset.Dataset`.
        value: of the flag; None for no flag.

    Returns:
        A `dataset.Dataset`.

    Raises:
        InputError: if it is the value of a class, or the data set ignores another.
    """
    if value is None or value == dataset.ignore_label:
        return dataset
    if dataset.ignore_label is not None:
        raise InputError(
            f"--ignore_label={value}: {dataset.path} declares the ignore label "
            f"{dataset.ignore_label}"
        )
    classes = dict(zip(dataset.label_values, dataset.class_names, strict=True))
    _check("--ignore_label", value, classes, dataset.path)
    return dataclasses.replace(dataset, ignore_label=value)


def _check(what, value, classes, where="it"):
    """Raises InputError unless a value can be ignored, `classes` by value."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise InputError(
            f"{what} must be a whole number of 32 bits, got {shown(value)}"
        )
    if value in classes:
        raise InputError(
            f"{what} is {value}, which {where} declares as the class "
            f'{shown(classes[value])}: name that "{NAME}" there, or ignore another'
        )
