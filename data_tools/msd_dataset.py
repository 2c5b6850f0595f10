"""`dataset.json` of the Medical Segmentation Decathlon's layout."""

import collections
import dataclasses
import json
import os
import pathlib
import re

from data_tools.errors import InputError


@dataclasses.dataclass(frozen=True)
class Case:
    """One image and its label: `uid` is the image's file name without ending."""

    uid: str
    image_path: str
    label_path: str


@dataclasses.dataclass(frozen=True)
class MsdDataset:
    """What `dataset.json` says.

    Attributes:
        path: of that file.
        name: as file names spell it, lower case.
        modality: of the image.
        license: as given, or "unknown".
        class_names: name per class id, background first.
        label_values: value in the label files per class id, ascending.
        channel_names: name per image channel.
        cases: by uid.
    """

    path: str
    name: str
    modality: str
    license: str
    class_names: list[str]
    label_values: list[int]
    channel_names: list[str]
    cases: list[Case]


def read_msd_dataset(path):
    """Reads and checks `dataset.json`, and that every file it names exists.

    Args:
        path: the file, or the folder that holds it.

    Returns:
        An `MsdDataset`.

    Raises:
        InputError: if the file or one it names is missing, or it is not as the
            layout wants it.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "dataset.json"
    if not path.is_file():
        raise InputError(f"no dataset.json at {path}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    for key, kind in (("name", str), ("labels", dict), ("training", list)):
        if not isinstance(fields, dict) or not isinstance(fields.get(key), kind):
            raise InputError(f"{path} has no {key!r}, expected {_KINDS[kind]}")
    label_values, class_names = _classes(path, fields["labels"])
    channel_names = _channels(path, fields.get("modality", {"0": "unknown"}))
    return MsdDataset(
        path=str(path),
        name=_file_name_part(path, fields["name"]),
        modality=channel_names[0],
        license=str(fields.get("licence", fields.get("license", "unknown"))),
        class_names=class_names,
        label_values=label_values,
        channel_names=channel_names,
        cases=_cases(path, fields["training"]),
    )


_KINDS = {
    str: "a name",
    dict: 'an object such as {"0": "background", "1": "organ"}',
    list: "a list of objects with image and label",
}


def _file_name_part(path, name):
    part = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    if not part:
        raise InputError(f"{path} has the name {name!r}, expected letters or digits")
    return part


def _classes(path, labels):
    """`(label_values, class_names)`, sorted as integers: "10" after "2"."""
    try:
        names = {int(value): str(name) for value, name in labels.items()}
    except ValueError as error:
        raise InputError(
            f"{path}: the keys of 'labels' must be whole numbers, got {list(labels)}"
        ) from error
    if len(names) < len(labels):  # such as "1" and "01"
        raise InputError(
            f"{path}: 'labels' has one value several times, got {list(labels)}"
        )
    values = sorted(names)
    if len(values) < 2 or values[0] != 0:
        raise InputError(
            f"{path}: 'labels' must hold 0, the background, and positive values, "
            f"got {values}"
        )
    class_names = [names[value] for value in values]
    repeated = _repeated(class_names)
    if repeated:
        raise InputError(
            f"{path}: 'labels' gives several values the name "
            f"{', '.join(map(repr, repeated))}, expected one name each"
        )
    return values, class_names


def _repeated(names):
    return sorted(n for n, count in collections.Counter(names).items() if count > 1)


def _channels(path, modality):
    if not isinstance(modality, dict) or not modality:
        raise InputError(f"{path}: 'modality' must be an object, got {modality!r}")
    if len(modality) > 1:
        raise InputError(
            f"{path} declares {len(modality)} modalities "
            f"({', '.join(map(str, modality.values()))}): several channels are not "
            "supported yet"
        )
    return [str(name) for name in modality.values()]


def _case(path, index, entry):
    paths = [
        entry.get(key) if isinstance(entry, dict) else None
        for key in ("image", "label")
    ]
    if not all(isinstance(name, str) for name in paths):
        raise InputError(
            f"{path}: entry {index} of 'training' must name an image and a label, "
            f"got {json.dumps(entry)}"
        )
    image_path, label_path = (os.path.normpath(path.parent / name) for name in paths)
    uid = re.sub(r"\.nii(\.gz)?$", "", os.path.basename(image_path))
    return Case(uid, image_path, label_path)


def _cases(path, training):
    cases = [_case(path, index, entry) for index, entry in enumerate(training)]
    if not cases:
        raise InputError(f"{path}: 'training' lists no case")
    repeated = _repeated(case.uid for case in cases)
    if repeated:
        raise InputError(f"{path} lists cases more than once: {', '.join(repeated)}")
    files = [file for case in cases for file in (case.image_path, case.label_path)]
    missing = [file for file in files if not os.path.isfile(file)]
    if missing:
        raise InputError(
            f"{path} names {len(missing)} files that do not exist: {', '.join(missing)}"
        )
    return sorted(cases, key=lambda case: case.uid)
