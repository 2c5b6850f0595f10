"""`dataset.json` of an nnU-Net v2 raw data set.

The format is that of
https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md:
`imagesTr/CASE_0000.nii.gz` is the first channel of `CASE`, `labelsTr/CASE.nii.gz`
its label map. `labels` gives for each name a value, or a list of values for a region,
which is a union of classes that is segmented as one.
"""

import os
import pathlib
import re

from data_tools.datasets.dataset import (
    IGNORED_NAME,
    Case,
    Dataset,
    Region,
    class_table,
    count_notes,
    file_name_part,
    indexed_names,
    path_in,
    take_ignored,
)
from tf_diffseg.errors import InputError
from tf_diffseg.text import shown
from tf_diffseg.volumes.file_endings import READ_ENDINGS

CONVENTION = "nnU-Net v2"


def is_nnunet(fields):
    """Whether a `dataset.json` is one of nnU-Net v2."""
    return "channel_names" in fields or "file_ending" in fields


def nnunet_dataset(path, fields):
    """Makes a `Dataset` from a `dataset.json` of nnU-Net v2.

    Its classes are all values that `labels` declares, in a region or not; a class
    without a name of its own is called "label 3".

    Args:
        path: of the file; images and labels lie beside it.
        fields: the JSON object that it holds.

    Raises:
        InputError: if a field does not follow the format, the folder of images is
            missing, or it holds a channel that is not declared.
    """
    path = pathlib.Path(path)
    names = fields.get("channel_names")
    channel_names = indexed_names(path, "channel_names", names)
    labels = _labels(path, fields.get("labels"))
    labels, ignore_label = _without_ignored(path, labels, fields.get("ignore_label"))
    label_values, class_names = class_table(path, _class_names(labels))
    if fields.get("dataset"):
        cases = _listed_cases(path, fields["dataset"])
    else:
        ending = _file_ending(path, fields.get("file_ending"))
        cases = _found_cases(path, len(channel_names), ending)
    return Dataset(
        path=str(path),
        convention=CONVENTION,
        name=file_name_part(path, fields.get("name") or path.absolute().parent.name),
        license=str(fields.get("licence", fields.get("license", "unknown"))),
        class_names=class_names,
        label_values=label_values,
        channel_names=channel_names,
        cases=sorted(cases, key=lambda case: case.uid),
        regions=_regions(path, labels, fields.get("regions_class_order")),
        root=str(path.parent),
        notes=_notes(path, fields, cases),
        ignore_label=ignore_label,
    )


def _labels(path, labels):
    """Dict from name to a tuple of values: one for a class, several for a region."""
    if not isinstance(labels, dict):
        raise InputError(
            f"{path}: 'labels' must be an object such as "
            f'{{"background": 0, "organ": 1}}, got {shown(labels)}'
        )
    values_of = {}
    for name, given in labels.items():
        values = given if isinstance(given, list) else [given]
        if not values or not all(type(value) is int for value in values):
            raise InputError(
                f"{path}: 'labels' gives {shown(name)} the value {shown(given)}, "
                "expected a whole number, or a list of them for a region"
            )
        values_of[name] = tuple(sorted(set(values)))
    return values_of


def _without_ignored(path, labels, given):
    """`(labels that are classes or regions, ignore label or None)`."""
    values = labels.get(IGNORED_NAME, ())
    if len(values) > 1:
        raise InputError(
            f"{path}: 'labels' gives {IGNORED_NAME!r} the values "
            f"{shown(list(values))}, expected one"
        )
    classes = {name: each for name, each in labels.items() if name != IGNORED_NAME}
    names = _class_names(classes)
    if values and values[0] in names:
        raise InputError(
            f"{path}: 'labels' ignores the value {values[0]}, which is that of "
            f"{shown(names[values[0]])} as well"
        )
    names |= dict.fromkeys(values, IGNORED_NAME)
    return classes, take_ignored(path, names, given)[1]


def _class_names(labels):
    """Dict from value to name; the name of a region names none of its classes."""
    names = {value: f"label {value}" for values in labels.values() for value in values}
    own = {values[0]: name for name, values in labels.items() if len(values) == 1}
    return names | own


def _regions(path, labels, order):
    """The regions in their order; none if every label is one class."""
    if all(len(values) == 1 for values in labels.values()):
        return ()
    regions = [(name, values) for name, values in labels.items() if set(values) != {0}]
    if (
        not isinstance(order, list)
        or len(order) != len(regions)
        or not all(type(value) is int for value in order)
    ):
        raise InputError(
            f"{path}: 'regions_class_order' must list the value to write for each of "
            f"the {len(regions)} regions, got {shown(order)}"
        )
    declared = {value for values in labels.values() for value in values}
    if not set(order) <= declared:
        raise InputError(
            f"{path}: 'regions_class_order' must hold values that 'labels' declares, "
            f"got {shown(sorted(set(order) - declared))}"
        )
    return tuple(
        Region(name, values, written)
        for (name, values), written in zip(regions, order, strict=True)
    )


def _file_ending(path, ending):
    if not isinstance(ending, str) or ending.lower() not in READ_ENDINGS:
        raise InputError(
            f"{path}: 'file_ending' must be one of {', '.join(READ_ENDINGS)}, got "
            f"{shown(ending)}"
        )
    return ending


def _found_cases(path, num_channels, ending):
    """Cases that have an image or a label in the folders, perhaps not both."""
    images_dir, labels_dir = path.parent / "imagesTr", path.parent / "labelsTr"
    uids = {
        name[: -len(ending)] for name in _names(labels_dir) if name.endswith(ending)
    }
    for name in _names(images_dir):
        if not name.endswith(ending):
            continue
        match = re.fullmatch(r"(.+)_([0-9]{4})", name[: -len(ending)], flags=re.DOTALL)
        if match is None or int(match[2]) >= num_channels:
            raise InputError(
                f"{images_dir / name}: expected a name that ends in _0000{ending} to "
                f"_{num_channels - 1:04d}{ending}, as 'channel_names' of {path} has it"
            )
        uids.add(match[1])
    if not uids:
        raise InputError(f"{path}: there is no *_0000{ending} in {images_dir}")
    return [
        Case(
            uid,
            tuple(
                str(images_dir / f"{uid}_{index:04d}{ending}")
                for index in range(num_channels)
            ),
            str(labels_dir / f"{uid}{ending}"),
        )
        for uid in uids
    ]


def _names(folder):
    """Names of files in a folder, without hidden ones."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be listed: {error.strerror}, expected the folder of an "
            "nnU-Net data set"
        ) from error


def _listed_cases(path, listed):
    """Cases of the field `dataset`, whose files may lie in any folder below."""
    cases = []
    for uid, entry in listed.items() if isinstance(listed, dict) else [(None, listed)]:
        found = entry if isinstance(entry, dict) else {}
        images = found.get("images")
        has_images = isinstance(images, list) and images
        names = [*images, found.get("label")] if has_images else [None]
        if not all(isinstance(name, str) for name in names):
            raise InputError(
                f"{path}: 'dataset' must give each case a list of images and a label, "
                f"got {shown(entry)}"
            )
        *image_paths, label_path = (path_in(path.parent, name) for name in names)
        cases.append(Case(uid, tuple(image_paths), label_path))
    return cases


def _notes(path, fields, cases):
    counted = [("numTraining", "cases", len(cases))]
    if (path.parent / "imagesTs").is_dir():
        names = _names(path.parent / "imagesTs")
        tested = {re.sub(r"_[0-9]{4}\..*$", "", name) for name in names}
        counted.append(("numTest", "test cases", len(tested)))
    return count_notes(path, fields, counted)
