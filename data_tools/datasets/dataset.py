"""A data set as its convention describes it: one form for all conventions.

`msd_dataset` and its siblings make a `Dataset` from the user's files. Checks and
conversion know only this form.
"""

import collections
import dataclasses
import os
import re

from tf_diffseg.errors import InputError
from tf_diffseg.text import shown

# A label map is int32.
LARGEST_LABEL_VALUE = 2**31 - 1

# The name under which a data set declares the value of voxels of unknown class.
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
        split: the case's split, or None if it is not decided.
        columns: pairs of name and text that the data set gives beside these.
    """

    uid: str
    image_paths: tuple[str, ...]
    label_path: str
    split: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Region:
    """A union of classes that is segmented as one.

    Attributes:
        name: e.g. "whole tumour".
        label_values: its values in the label files, ascending.
        written_value: value that a written label map gets where this is the last
            region found, as in nnU-Net's `regions_class_order`.
    """

    name: str
    label_values: tuple[int, ...]
    written_value: int


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The declaration of a data set; no file of its cases has been read.

    Attributes:
        path: of the file that declares it.
        convention: which convention that file follows, in words.
        name: lower case, as shard files spell it.
        license: as given, or "unknown".
        class_names: name per class id, background first.
        label_values: value in the label files per class id, ascending.
        channel_names: name per image channel.
        cases: sorted by uid.
        regions: in the order in which label maps are written; empty if classes do not
            overlap.
        root: folder that must hold every file of a case, or None.
        notes: oddities of the declaration that are no errors.
        split_notes: oddities of the splits.
        other_cases: labelled cases that the data set lists outside of its training
            list.
        other_files: files that the declaration names, or that were used, but that
            belong to none of `cases`.
        ignore_label: value in the label files of voxels whose class is not known, see
            `take_ignored`; None if each has a class.
        unused_columns: names of columns that nothing uses.
        split_order: names of splits in the order to print them; if empty, the order
            is alphabetical.
        groups: dict from uid to the name of the case's group; empty if cases have no
            groups.
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
    groups: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def modality(self):
        """Channel names in one line, e.g. "MRI" or "FLAIR, T1w"."""
        return ", ".join(self.channel_names)

    @property
    def has_splits(self):
        """Whether the data set says itself which split a case is in."""
        return any(case.split is not None for case in self.cases)

    def with_name(self, name=None, license=None):  # noqa: A002  as its attribute
        """Gives the data set another name and license; None keeps its own.

        Raises:
            InputError: if the name has no letters or digits, or too many.
        """
        return dataclasses.replace(
            self,
            name=self.name if name is None else file_name_part("`name`", name),
            license=self.license if license is None else license,
        )

    def with_ignore_label(self, value):
        """Adds an ignore label to the data set, or nothing if `value` is None.

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
        """One line of text about the data set."""
        ignored = ""
        if self.ignore_label is not None:
            ignored = f"; voxels of label value {self.ignore_label} are ignored"
        return (
            f"{self.path} follows {self.convention}: {len(self.cases)} cases, "
            f"{len(self.channel_names)} channel(s) ({self.modality}), "
            f"{len(self.class_names)} classes ({', '.join(self.class_names)}){ignored}"
        )


def file_name_part(path, name):
    """`name` as shard files spell it; raises InputError if it is empty or too long."""
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
    """Sorts channel names by their index.

    Args:
        path: of the file that gives them, for messages.
        key: of its field.
        names: dict from index, "0", "1" and so on, to name.

    Returns:
        List of strings.

    Raises:
        InputError: if there is no name, an index is missing or a name cannot be
            printed.
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


def count_notes(path, fields, counted):
    """Notes on numbers in `fields` that differ from what was counted.

    Args:
        path: of the file that holds the fields.
        fields: the JSON object that it holds.
        counted: tuples (key of the field, what is counted in words, count).
    """
    return tuple(
        f"{path} has {count} {what}, its {key!r} is {shown(fields[key])}"
        for key, what, count in counted
        if fields.get(key, count) != count
    )


def path_in(root, name):
    """Path of the file `name`, relative to the folder `root`, without ".."."""
    return os.path.normpath(os.path.join(root, name))


def class_table(path, names):
    """Checks classes and sorts them by value.

    Args:
        path: file that declares them, for messages.
        names: dict from integer value to name.

    Returns:
        `(label_values, class_names)`.

    Raises:
        InputError: if 0 is missing, a value is negative or too large, there is
            no class besides the background, or two classes share a name.
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
    """Sorted names that occur more than once."""
    return sorted(n for n, count in collections.Counter(names).items() if count > 1)


def take_ignored(path, names, given=None):
    """Takes the ignore label out of the classes that a data set declares.

    nnU-Net v2 declares it as the class "ignore" of `labels`; this project accepts that
    in each convention. A `dataset.json` may also declare it as `"ignore_label": 255`.
    In shards such voxels hold the class id after the last, whatever the value in the
    files is.

    Args:
        path: of the file that declares the classes, for messages.
        names: dict from value to name.
        given: value of the field `ignore_label`, or None.

    Returns:
        (dict from value to name of the classes that are left, ignore label or None).

    Raises:
        InputError: if there are several ignore labels, or one is a class as well.
    """
    ignored = [
        v for v, name in names.items() if str(name).strip().lower() == IGNORED_NAME
    ]
    classes = {value: name for value, name in names.items() if value not in ignored}
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
    """Raises InputError unless `value` can be an ignore label beside `classes`."""
    if type(value) is not int or abs(value) > LARGEST_LABEL_VALUE:
        raise InputError(
            f"{what} must be a whole number of 32 bits, got {shown(value)}"
        )
    if value in classes:
        raise InputError(
            f"{what} is {value}, which {where} declares as the class "
            f'{shown(classes[value])}: name that class "{IGNORED_NAME}", or ignore '
            "another value"
        )
