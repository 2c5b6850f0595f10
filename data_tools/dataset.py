"""A data set as its convention describes it: one form for all conventions.

`msd_dataset` and its siblings make a `Dataset` from what the user has; all that
comes after, checking and converting, knows this form only.
"""

import collections
import dataclasses
import json
import os
import pathlib
import re

from data_tools.errors import InputError

# A label map is int32, and no ending of a case's name is longer.
LARGEST_LABEL_VALUE = 2**31 - 1
VOLUME_ENDINGS = (".nii", ".nii.gz")


@dataclasses.dataclass(frozen=True)
class Case:
    """One image and its label.

    Attributes:
        uid: unique name.
        image_paths: one file that holds all channels, or one file per channel.
        label_path: label map on the image's grid.
        split: that the data set puts it in, or None where it leaves that open.
    """

    uid: str
    image_paths: tuple[str, ...]
    label_path: str
    split: str | None = None


@dataclasses.dataclass(frozen=True)
class Region:
    """A union of classes that is to be segmented as one.

    Attributes:
        name: e.g. "whole tumour".
        label_values: values in the label files that make it up, ascending.
        written_value: value that a label map gets where the region is found and
            no later region is.
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

    @property
    def modality(self):
        """Channel names in one line, e.g. "MRI" or "FLAIR, T1w"."""
        return ", ".join(self.channel_names)

    @property
    def has_splits(self):
        """Whether the data set itself says which split each case is in."""
        return any(case.split is not None for case in self.cases)

    def describe(self):
        """One line that tells what was found."""
        return (
            f"{self.path} follows {self.convention}: {len(self.cases)} cases, "
            f"channels {self.modality}, classes {', '.join(self.class_names)}"
        )


def read_json(path):
    """Reads a JSON object; raises InputError if the file holds anything else."""
    try:
        # Some editors put a byte order mark at the start.
        fields = json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InputError(
            f"{path} holds a JSON {type(fields).__name__}, expected an object"
        )
    return fields


def file_name_part(path, name):
    """`name` as shard files spell it; raises InputError if nothing is left."""
    part = re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_").lower()
    if not part:
        raise InputError(f"{path} has the name {name!r}, expected letters or digits")
    return part


def uid_of_file(path):
    """A case's name from its image's file name."""
    name = os.path.basename(path)
    ending = max(
        (e for e in VOLUME_ENDINGS if name.lower().endswith(e)), key=len, default=""
    )
    return name[: len(name) - len(ending)]


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
            f"got {values}"
        )
    if values[-1] > LARGEST_LABEL_VALUE:
        raise InputError(
            f"{path}: 'labels' must not exceed {LARGEST_LABEL_VALUE}, got {values[-1]}"
        )
    class_names = [names[value] for value in values]
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


def check_cases(dataset):
    """Raises InputError unless uids are unique and every file is there.

    Args:
        dataset: `Dataset`.
    """
    path = dataset.path
    if not dataset.cases:
        raise InputError(f"{path} lists no case")
    repeated = repeated_of(case.uid for case in dataset.cases)
    if repeated:
        raise InputError(f"{path} lists cases more than once: {', '.join(repeated)}")
    files = [f for case in dataset.cases for f in (*case.image_paths, case.label_path)]
    missing = [file for file in files if not os.path.isfile(file)]
    if missing:
        raise InputError(
            f"{path} names {len(missing)} files that do not exist: {', '.join(missing)}"
        )
