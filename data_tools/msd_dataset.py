"""`dataset.json` of the Medical Segmentation Decathlon's layout."""

import pathlib
import re

from data_tools.dataset import (
    Case,
    Dataset,
    class_table,
    file_name_part,
    indexed_names,
    path_in,
    shown,
    uid_of_file,
)
from data_tools.errors import InputError
from data_tools.ignore_label import take_ignored

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
        channel_names=indexed_names(
            path, "modality", fields.get("modality", {"0": "unknown"})
        ),
        cases=sorted(cases, key=lambda case: case.uid),
        root=str(path.parent),
        notes=_notes(path, fields, cases),
        ignore_label=ignore_label,
    )


_KINDS = {
    str: "a name",
    dict: 'an object such as {"0": "background", "1": "organ"}',
    list: "a list of objects with image and label",
}


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
    names = [
        entry.get(key) if isinstance(entry, dict) else None
        for key in ("image", "label")
    ]
    if not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path}: entry {index} of 'training' must name an image and a label, "
            f"got {shown(entry)}"
        )
    image_path, label_path = (path_in(path.parent, name) for name in names)
    return Case(uid_of_file(image_path), (image_path,), label_path)


def _notes(path, fields, cases):
    declared = fields.get("numTraining", len(cases))
    if declared == len(cases):
        return ()
    return (f"{path} lists {len(cases)} cases, its 'numTraining' is {shown(declared)}",)
