"""`dataset.json` of the Medical Segmentation Decathlon's layout."""

import contextlib
import pathlib
import re

from data_tools.datasets.dataset import (
    Case,
    Dataset,
    class_table,
    file_name_part,
    indexed_names,
    path_in,
    take_ignored,
)
from tf_diffseg.errors import InputError
from tf_diffseg.text import shown
from tf_diffseg.volumes.file_endings import uid_of_file

CONVENTION = "the Medical Segmentation Decathlon"


def msd_dataset(path, fields):
    """Understands a `dataset.json` of this layout.

    Args:
        path: of the file, for messages; file names in it start from its folder.
        fields: the JSON object it holds.

    Returns:
        A `Dataset`.

    Raises:
        InputError: if a field is not as the layout wants it.
    """
    path = pathlib.Path(path)
    for key, kind in (("name", str), ("labels", dict), ("training", list)):
        if not isinstance(fields.get(key), kind):
            raise InputError(f"{path} has no {key!r}, expected {_KINDS[kind]}")
    label_values, class_names, ignore_label = _classes(path, fields)
    cases = [_case(path, *item) for item in enumerate(fields["training"])]
    if not cases:
        raise InputError(f"{path}: 'training' lists no case")
    return Dataset(
        path=str(path),
        convention=CONVENTION,
        name=file_name_part(path, fields["name"]),
        license=str(fields.get("licence", fields.get("license", "unknown"))),
        class_names=class_names,
        label_values=label_values,
        channel_names=indexed_names(path, "modality", _modality(fields, cases)),
        cases=sorted(cases, key=lambda case: case.uid),
        other_cases=tuple(_other_cases(path, fields)),
        other_files=tuple(_other_files(path, fields)),
        root=str(path.parent),
        notes=_notes(path, fields, cases),
        ignore_label=ignore_label,
    )


_KINDS = {
    str: "a name",
    dict: 'an object such as {"0": "background", "1": "organ"}',
    list: "a list of objects with image and label",
}


def _modality(fields, cases):
    """The field, or where there is none a name for each file of a case."""
    if "modality" in fields or len(cases[0].image_paths) == 1:
        return fields.get("modality", {"0": "unknown"})
    channels = range(len(cases[0].image_paths))
    return {str(index): f"channel {index}" for index in channels}


def _classes(path, fields):
    labels = fields["labels"]
    if not all(re.fullmatch(r"-?[0-9]{1,18}", value) for value in labels):
        raise InputError(
            f"{path}: the keys of 'labels' must be whole numbers, got "
            f"{shown(list(labels))}"
        )
    names = {int(value): str(name) for value, name in labels.items()}
    if len(names) < len(labels):  # such as "1" and "01"
        raise InputError(
            f"{path}: 'labels' has one value several times, got {shown(list(labels))}"
        )
    names, ignore_label = take_ignored(path, names, fields)
    return *class_table(path, names), ignore_label


def _case(path, index, entry):
    images, labels = (
        _file_names(entry.get(key) if isinstance(entry, dict) else None)
        for key in ("image", "label")
    )
    if not images or len(labels) != 1:
        raise InputError(
            f"{path}: entry {index} of 'training' must name an image and a label, got "
            f"{shown(entry)}; an image may be a list of files, one for each channel"
        )
    image_paths = tuple(path_in(path.parent, name) for name in images)
    uid = uid_of_file(image_paths[0])
    if len(images) > 1:
        uid = re.sub(r"_0000$", "", uid)  # the name of a channel, not of the case
    return Case(
        uid,
        image_paths,
        path_in(path.parent, labels[0]),
        columns=tuple(
            (key, str(value))
            for key, value in entry.items()
            if key not in ("image", "label") and isinstance(value, (str, int))
        ),
    )


def _file_names(given):
    """A file name or a list of them as a list; empty if it is neither."""
    names = given if isinstance(given, list) else [given]
    return names if all(isinstance(name, str) for name in names) else []


# Lists beside `training`, whose entries may have a label or not.
_OTHER_LISTS = ("validation", "val", "test", "testing")


def _other_entries(fields):
    """Yields the entries of the lists beside `training`."""
    for key in _OTHER_LISTS:
        if isinstance(fields.get(key), list):
            yield from fields[key]


def _other_cases(path, fields):
    for index, entry in enumerate(_other_entries(fields)):
        with contextlib.suppress(InputError):  # without a label, or none of ours
            yield _case(path, index, entry)


def _other_files(path, fields):
    for entry in _other_entries(fields):
        names = [entry]
        if isinstance(entry, dict):
            names = [entry.get("image"), entry.get("label")]
        for name in names:
            for one in name if isinstance(name, list) else [name]:
                if isinstance(one, str):
                    yield path_in(path.parent, one)


def _notes(path, fields, cases):
    counted = [("numTraining", "cases", len(cases))]
    if isinstance(fields.get("test"), list):
        counted.append(("numTest", "test images", len(fields["test"])))
    return tuple(
        f"{path} lists {count} {what}, its {key!r} is {shown(fields[key])}"
        for key, what, count in counted
        if fields.get(key, count) != count
    )
