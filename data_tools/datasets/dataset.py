"""A data set as its convention describes it: one form for all conventions.

`msd_dataset` and its siblings make a `Dataset` from what the user has; all that
comes after, checking and converting, knows this form only.
"""

import collections
import dataclasses
import os
import re

from tf_diffseg.errors import InputError
from tf_diffseg.text import shown

# A label map is int32.
LARGEST_LABEL_VALUE = 2**31 - 1

# The class that is none: a value of label files that says that nothing is known there.
IGNORED_NAME = "ignore"

# The name is part of file names, which may have 255 bytes.
_LONGEST_NAME = 100


@dataclasses.dataclass(frozen=True)
class Case:
    """One image and its label.

    Attributes:
        uid: unique name.
        image_paths: one file that holds all channels, or one file per channel.
        label_path: label map on the image's grid.
        split: that it is in, or None where that is open.
        columns: pairs of name and text, what else the data set says of the case.
    """

    uid: str
    image_paths: tuple[str, ...]
    label_path: str
    split: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Region:
    """A union of classes that is to be segmented as one.

    Attributes:
        name: e.g. "whole tumour".
        label_values: values in the label files that make it up, ascending.
        written_value: value that a label map gets where the region is found and
            no later region is, as in nnU-Net's `regions_class_order`.
    """

    name: str
    label_values: tuple[int, ...]
    written_value: int


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a data set declares, nothing of which has been looked up in its files.

    Attributes:
        path: of the file that declares it.
        convention: what that file follows, in words.
        name: as file names spell it, lower case.
        license: as given, or "unknown".
        class_names: name per class id, background first.
        label_values: value in the label files per class id, ascending.
        channel_names: name per image channel.
        cases: by uid.
        regions: in the order in which label maps are written; empty where each
            class stands for itself.
        root: folder that no file of a case may lie outside of, or None where the
            files may lie anywhere.
        notes: what is odd about the declaration without being wrong.
        split_notes: what is odd about how the cases are split.
        other_cases: with a label, that the data set lists beside those to train on.
        other_files: that the declaration names, or that were used, but that are of no
            case here.
        ignore_label: value in the label files of voxels whose class is not known, see
            `take_ignored`; None where each has a class.
        unused_columns: names of what a table says of its cases and nobody asked for.
        split_order: names of splits in the order in which they are told, or none
            where the alphabet decides.
    """

    path: str
    convention: str
    name: str
    license: str
    class_names: list[str]
    label_values: list[int]
    channel_names: list[str]
    cases: list[Case]
    regions: tuple[Region, ...] = ()
    root: str | None = None
    notes: tuple[str, ...] = ()
    split_notes: tuple[str, ...] = ()
    other_cases: tuple[Case, ...] = ()
    other_files: tuple[str, ...] = ()
    ignore_label: int | None = None
    unused_columns: tuple[str, ...] = ()
    split_order: tuple[str, ...] = ()

    @property
    def modality(self):
        """Channel names in one line, e.g. "MRI" or "FLAIR, T1w"."""
        return ", ".join(self.channel_names)

    @property
    def has_splits(self):
        """Whether the data set itself says which split each case is in."""
        return any(case.split is not None for case in self.cases)

    def with_ignore_label(self, value):
        """A data set of which a value is ignored, None being none.

        Raises:
            InputError: if it is the value of a class, or the data set ignores another.
        """
        if value is None or value == self.ignore_label:
            return self
        if self.ignore_label is not None:
            raise InputError(
                f"ignore_label={value}: {self.path} declares the ignore label "
                f"{self.ignore_label}",
                argument="ignore_label",
            )
        classes = dict(zip(self.label_values, self.class_names, strict=True))
        _check_ignored("`ignore_label`", value, classes, self.path)
        return dataclasses.replace(self, ignore_label=value)

    def describe(self):
        """One line that tells what was found."""
        ignored = ""
        if self.ignore_label is not None:
            ignored = f"; voxels of label value {self.ignore_label} are ignored"
        return (
            f"{self.path} follows {self.convention}: {len(self.cases)} cases, "
            f"{len(self.channel_names)} channel(s) ({self.modality}), "
            f"{len(self.class_names)} classes ({', '.join(self.class_names)}){ignored}"
        )


def file_name_part(path, name):
    """`name` as shard files spell it; raises InputError if nothing is left."""
    part = re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_").lower()
    if not 0 < len(part) <= _LONGEST_NAME:
        raise InputError(
            f"{path} has the name {shown(name)}, expected 1 to {_LONGEST_NAME} letters "
            "or digits"
        )
    return part


def checked_names(path, key, names):
    """Names as strings; raises InputError if one is empty or cannot be printed."""
    names = [str(name).strip() for name in names]
    for name in names:
        if not name or not name.isprintable():
            raise InputError(
                f"{path}: {key!r} has the name {shown(name)}, expected printable text"
            )
    return names


def indexed_names(path, key, names):
    """Names of channels in their order.

    Args:
        path: of the file that gives them, for messages.
        key: of its field.
        names: dict from index, "0", "1" and so on, to name.

    Returns:
        List of strings.

    Raises:
        InputError: if there is none, an index is missing or a name cannot be printed.
    """
    if not isinstance(names, dict) or not names:
        raise InputError(
            f"{path}: {key!r} must be an object such as "
            f'{{"0": "CT"}}, got {shown(names)}'
        )
    if set(names) != {str(index) for index in range(len(names))}:
        raise InputError(
            f"{path}: the keys of {key!r} must be 0 to {len(names) - 1}, got "
            f"{shown(list(names))}"
        )
    return checked_names(path, key, [names[str(index)] for index in range(len(names))])


def path_in(root, name):
    """`name` as a path that starts from the folder `root`, without ".."."""
    return os.path.normpath(os.path.join(root, name))


def class_table(path, names):
    """Sorts classes by value, checked.

    Args:
        path: file that declares them, for messages.
        names: dict from value to name.

    Returns:
        `(label_values, class_names)`, sorted as integers: 10 comes after 2.

    Raises:
        InputError: if 0 is missing, a value is negative or too large, there is
            no class besides the background, or two share a name.
    """
    values = sorted(names)
    if len(values) < 2 or values[0] != 0:
        raise InputError(
            f"{path}: 'labels' must hold 0, the background, and positive values, "
            f"got {shown(values)}"
        )
    if values[-1] > LARGEST_LABEL_VALUE:
        raise InputError(
            f"{path}: 'labels' must not exceed {LARGEST_LABEL_VALUE}, got {values[-1]}"
        )
    class_names = checked_names(path, "labels", [names[value] for value in values])
    repeated = repeated_of(class_names)
    if repeated:
        raise InputError(
            f"{path}: 'labels' gives several values the name "
            f"{', '.join(map(repr, repeated))}, expected one name each"
        )
    return values, class_names


def repeated_of(names):
    """Sorted names that come more than once."""
    return sorted(n for n, count in collections.Counter(names).items() if count > 1)


def take_ignored(path, names, fields=None):
    """Takes the ignore label out of the classes that a data set declares.

    nnU-Net v2 has it as the class "ignore" of `labels`; so does this project in each
    convention. A `dataset.json` may also have it as `"ignore_label": 255`. In shards
    such voxels hold the class id after the last, whatever the value in the files is.

    Args:
        path: of the file that declares them, for messages.
        names: dict from value to name.
        fields: the JSON object that the file holds, if it is one.

    Returns:
        (dict from value to name of the classes that are left, ignore label or None).

    Raises:
        InputError: if there are several, or it is the value of a class as well.
    """
    ignored = [
        v for v, name in names.items() if str(name).strip().lower() == IGNORED_NAME
    ]
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
    _check_ignored(f"{path}: the ignore label", ignored[0], classes)
    return classes, ignored[0]


def _check_ignored(what, value, classes, where="it"):
    """Raises InputError unless a value can be ignored, `classes` by value."""
    if type(value) is not int or abs(value) > LARGEST_LABEL_VALUE:
        raise InputError(
            f"{what} must be a whole number of 32 bits, got {shown(value)}"
        )
    if value in classes:
        raise InputError(
            f"{what} is {value}, which {where} declares as the class "
            f'{shown(classes[value])}: name that "{IGNORED_NAME}" there, or ignore '
            "another"
        )
