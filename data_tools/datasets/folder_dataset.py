"""A folder of images and a folder of label maps, with the same names for each case.

`images/CASE.nii.gz` and `labels/CASE.nii.gz` are a case. If each channel has a file,
the image is `images/CASE_0000.nii.gz`, `images/CASE_0001.nii.gz` and so on, as in
nnU-Net. Nothing declares classes: they are the values in the label maps.
"""

import collections
import contextlib
import os
import re

from data_tools.datasets.dataset import (
    Case,
    Dataset,
    class_table,
    file_name_part,
    take_ignored,
)
from tf_diffseg.errors import InputError
from tf_diffseg.progress_bar import progress_bar
from tf_diffseg.text import shown
from tf_diffseg.volumes.file_endings import scan_endings, uid_of_file
from tf_diffseg.volumes.volume_files import label_values, read_image

CONVENTION = "two folders of files with the same names"
# More values than a data set of classes has: an image, or a label for each lesion.
_MOST_VALUES = 256


def folder_dataset(images_dir, labels_dir, class_names=None, ignore_label=None):
    """Makes a `Dataset` of two folders.

    Reads the label maps if `class_names` is not given, and the first image.

    Args:
        images_dir: folder of the images.
        labels_dir: folder of the label maps.
        class_names: dict from value in the label maps to name. By default, 0 is the
            background, and each value 3 that is found is "class_3".
        ignore_label: value in the label maps that is no class; None if there is none,
            or if `class_names` names it "ignore".

    Raises:
        InputError: if a folder cannot be listed, no image has the name of a label map,
            cases have other channels than the first, or the label maps hold no class
            or too many values.
    """
    labels = {uid_of_file(path): path for path in _volumes(labels_dir)}
    images = _images(images_dir, labels)
    uids = sorted(labels.keys() & images.keys())
    if not uids:
        raise InputError(
            f"no image in {images_dir} has the name of a label map in {labels_dir}, "
            f"expected such as a.nii.gz in both, got {_names(images)} and "
            f"{_names(labels)}"
        )
    cases = [Case(uid, tuple(images[uid].values()), labels[uid]) for uid in uids]
    notes: tuple[str, ...] = ()
    if class_names is None:
        class_names = _found_classes(labels_dir, cases, ignore_label)
        notes = (
            f"{labels_dir}: the label maps hold the values {shown(list(class_names))}, "
            f"so the classes are {', '.join(class_names.values())}; `class_names` "
            "gives them other names",
        )
    class_names, ignore_label = take_ignored("`class_names`", class_names, ignore_label)
    values, names = class_table(str(labels_dir), class_names)
    return Dataset(
        path=str(images_dir),
        convention=CONVENTION,
        name=file_name_part(images_dir, _name_of(images_dir)),
        license="unknown",
        class_names=names,
        label_values=values,
        channel_names=_channel_names(images_dir, images, uids),
        cases=cases,
        notes=notes,
        ignore_label=ignore_label,
    )


def _volumes(folder):
    """Paths of the volumes in a folder, or of its pictures without one, sorted."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror}") from error
    names = [name for name in names if not name.startswith(".")]
    endings = scan_endings(names)
    return [
        os.path.normpath(os.path.join(folder, name))
        for name in names
        if name.lower().endswith(endings)
    ]


def _images(folder, labels):
    """Dict from uid to a dict from channel to path, in the order of channels."""
    images = collections.defaultdict(dict)
    for path in _volumes(folder):
        stem = uid_of_file(path)
        match = re.fullmatch(r"(.+)_([0-9]{4})", stem, flags=re.DOTALL)
        if stem in labels or match is None:
            images[stem][0] = path
        else:
            images[match[1]][int(match[2])] = path
    return images


def _channel_names(folder, images, uids):
    """Names of the channels, which all cases must have."""
    expected = images[uids[0]]
    for uid in uids:
        if list(images[uid]) != list(range(len(expected))):
            raise InputError(
                f"{folder}: case {shown(uid)} has the files "
                f"{', '.join(map(os.path.basename, images[uid].values()))}, expected "
                f"{len(expected)} channel(s), from _0000 on, as in {shown(uids[0])}"
            )
    number = len(expected)
    if number == 1:
        number = read_image(expected[0]).array.shape[-1]
    return ["image"] if number == 1 else [f"channel_{i}" for i in range(number)]


def _found_classes(labels_dir, cases, ignore_label):
    """Dict from value to name, of the values in the label maps that are classes."""
    values = {0}
    with progress_bar(len(cases), "label map", "read") as progress:
        for case in cases:
            # The checks of the data set name a damaged file and what is wrong.
            with contextlib.suppress(InputError):
                values.update(label_values(case.label_path))
            if len(values) > _MOST_VALUES:
                raise InputError(
                    f"{case.label_path}: the label maps in {labels_dir} hold more than "
                    f"{_MOST_VALUES} values up to here, expected one for each class"
                )
            progress.update()
    values.discard(ignore_label)
    if values == {0}:
        raise InputError(f"the label maps in {labels_dir} hold no class, only 0")
    return {
        value: f"class_{value}" if value else "background" for value in sorted(values)
    }


def _name_of(images_dir):
    """The folder above `images`, or the folder itself if it has another name."""
    folder = os.path.abspath(images_dir)
    name = os.path.basename(folder)
    if re.fullmatch(r"(?i)images?(tr)?", name):
        return os.path.basename(os.path.dirname(folder)) or name
    return name


def _names(uids, most=3):
    names = sorted(uids)
    more = ", ..." if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more if names else "no volume"
