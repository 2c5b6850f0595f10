"""`dataset.json` of the Medical Segmentation Decathlon's layout."""

import contextlib
import pathlib
import re

from data_tools.datasets.dataset import (
    Case,
    Dataset,
    class_table,
    count_notes,
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
    """Makes a `Dataset` from a `dataset.json` of this layout.

    Args:
        path: of the file; the file names in it are relative to its folder.
        fields: the JSON object that it holds.

    Raises:
        InputError: if a field does not follow the layout.
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
    """The field; without it, a name for each file of a case."""
    num_files = len(cases[0].image_paths)
    if "modality" in fields or num_files == 1:
        return fields.get("modality", {"0": "unknown"})
    return {str(index): f"channel {index}" for index in range(num_files)}


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
    names, ignore_label = take_ignored(path, names, fields.get("ignore_label"))
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
    """A list of file names from one or a list of them; empty if it is neither."""
    names = given if isinstance(given, list) else [given]
    return names if all(isinstance(name, str) for name in names) else []


def _other_entries(fields):
    """Yields the entries, labelled or not, of the lists beside `training`."""
    for key in ("validation", "val", "test", "testing"):
        if isinstance(fields.get(key), list):
            yield from fields[key]


def _other_cases(path, fields):
    for index, entry in enumerate(_other_entries(fields)):
        with contextlib.suppress(InputError):  # it has no label, or another layout
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
    return count_notes(path, fields, counted)
