"""The flags that tell every command which data set to read."""

import math
import re

from absl import flags

from data_tools.datasets.downloads import DOWNLOADS, read_download
from data_tools.datasets.folder_dataset import folder_dataset
from data_tools.datasets.open_dataset import read_dataset, read_table
from data_tools.datasets.split_plan import SplitRule, with_splits
from tf_diffseg.errors import InputError

_DATASET_JSON = flags.DEFINE_string(
    "dataset_json",
    None,
    "dataset.json of the Medical Segmentation Decathlon or of nnU-Net v2, or the "
    "folder it is in.",
)
_DATASET_CSV = flags.DEFINE_string(
    "dataset_csv", None, "Table of cases with columns image, label, uid and split."
)
_IMAGES = flags.DEFINE_string(
    "images",
    None,
    "Folder of images. Those that have a label map of the same name in the folder "
    "--labels are the cases.",
)
_DATASET = flags.DEFINE_enum(
    "dataset",
    None,
    list(DOWNLOADS),
    "Data set of a published experiment, in the folder --source_dir; see "
    "docs/recipes.md.",
)
_SOURCE_DIR = flags.DEFINE_string(
    "source_dir", None, "Folder into which the data of --dataset were downloaded."
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "Folder of label maps with --images; 0=background,1=organ, the classes, with "
    "--dataset_csv.",
)
_CLASS_NAMES = flags.DEFINE_string(
    "class_names",
    None,
    "0=background,1=organ: the classes of --images; without it, the value 3 of the "
    "label maps is class_3.",
)
_NAME = flags.DEFINE_string(
    "name", None, "Name of the data set, in place of the one that it has."
)
_LICENSE = flags.DEFINE_string(
    "license", None, "License of the data set, in place of the one that it tells."
)
_IGNORE_LABEL = flags.DEFINE_integer(
    "ignore_label",
    None,
    "Value in the label files for voxels whose class is not known, such as 255; a data "
    "set may also declare it.",
)
_SPLIT = flags.DEFINE_string(
    "split",
    "train=0.7,validation=0.15,test=0.15",
    "Split names and fractions, if the data set has no splits of its own; the name of "
    "a case decides where it goes.",
)
_SPLIT_FILE = flags.DEFINE_string(
    "split_file",
    None,
    "JSON file that says which split each case is in, in place of --split: nnU-Net's "
    "splits_final.json, or a data list with fold or validation; see docs/data.md.",
)
_FOLD = flags.DEFINE_integer(
    "fold", None, "Fold of --split_file to validate on.", lower_bound=0
)
_GROUP_BY = flags.DEFINE_string(
    "group_by",
    None,
    "Regular expression with one group, searched in each case's name, or a column of "
    "the data set: cases with the same result go to the same split. auto finds such an "
    "expression if the names look like several scans of patients.",
)
flags.mark_flags_as_mutual_exclusive(
    ["dataset_json", "dataset_csv", "images", "dataset"], required=True
)


def dataset_of_flags():
    """Reads the `Dataset` that the flags name, without the files of its cases.

    Raises:
        InputError: see `open_dataset.read_dataset`, `folder_dataset`, and the methods
            of `Dataset`; also if a flag belongs to other data.
    """
    dataset = _declared_dataset().with_name(_NAME.value, _LICENSE.value)
    return dataset.with_ignore_label(_IGNORE_LABEL.value)


def _declared_dataset():
    """The data set as its files declare it."""
    if (_DATASET.value is None) != (_SOURCE_DIR.value is None):
        raise InputError("--dataset and --source_dir need each other")
    if _IMAGES.value is not None:
        if _LABELS.value is None:
            raise InputError(
                f"--images={_IMAGES.value} needs --labels, the folder of label maps"
            )
        names = None
        if _CLASS_NAMES.value is not None:
            names = parse_labels(_CLASS_NAMES.value, "class_names")
        folders = _IMAGES.value, _LABELS.value
        return folder_dataset(*folders, names, _IGNORE_LABEL.value)
    if _CLASS_NAMES.value is not None:
        raise InputError(
            f"--class_names={_CLASS_NAMES.value} is for --images; a table has --labels"
        )
    labels = None if _LABELS.value is None else parse_labels(_LABELS.value)
    if _DATASET.value is not None:
        if labels is not None:
            raise InputError(f"--dataset={_DATASET.value} has labels of its own")
        return read_download(_DATASET.value, _SOURCE_DIR.value)
    if _DATASET_CSV.value is not None:
        return read_table(_DATASET_CSV.value, labels)
    return read_dataset(_DATASET_JSON.value, labels)


def split_by_flags(dataset):
    """The `Dataset` with every case in a split.

    Raises:
        InputError: see `split_plan.with_splits`; also if flags contradict each other or
            the splits of the data set.
    """
    for name in ("split", "split_file"):
        if dataset.has_splits and flags.FLAGS[name].present:
            raise InputError(
                f"--{name}={flags.FLAGS[name].value}: {dataset.path} has its own "
                f"splits, leave out --{name} or the column"
            )
    if _SPLIT_FILE.value is not None and flags.FLAGS["split"].present:
        raise InputError(
            f"--split={_SPLIT.value}: --split_file={_SPLIT_FILE.value} says how cases "
            "are split, leave out one of them"
        )
    if _FOLD.value is not None and _SPLIT_FILE.value is None:
        raise InputError(
            f"--fold={_FOLD.value} chooses a fold of --split_file, which is not given"
        )
    fractions = parse_split(_SPLIT.value)
    rule = SplitRule(fractions, _SPLIT_FILE.value, _FOLD.value, _GROUP_BY.value)
    return with_splits(dataset, rule)


def parse_labels(text, flag="labels"):
    """Dict from label value to name, for `--labels=0=background,1=organ`.

    Raises:
        InputError: if a part is not value=name or a value comes twice.
    """
    names = {}
    for part in text.split(","):
        value, _, name = part.partition("=")
        if not re.fullmatch(r"\s*[0-9]{1,18}\s*", value) or not name.strip():
            raise InputError(f"--{flag}={text}: expected value=name, got {part!r}")
        if int(value) in names:
            raise InputError(f"--{flag}={text}: {int(value)} is there twice")
        names[int(value)] = name.strip()
    return names


def parse_split(text):
    """Dict from split name to fraction, for `--split=train=0.7,test=0.3`.

    Raises:
        InputError: if a part is not name=fraction, a name comes twice, or the
            fractions do not add up to 1.
    """
    flag = f"--split={text}"
    fractions = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        name = name.strip()
        if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
            raise InputError(f"{flag}: expected name=fraction, got {part!r}")
        if name in fractions:
            raise InputError(f"{flag}: {name!r} is there twice")
        try:
            fractions[name] = float(number)
        except ValueError:
            raise InputError(
                f"{flag}: expected a fraction for {name!r}, got {number!r}"
            ) from None
        if not 0.0 < fractions[name] <= 1.0:
            raise InputError(
                f"{flag}: the fraction of {name!r} must be above 0 and at most 1"
            )
    total = math.fsum(fractions.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise InputError(f"{flag}: the fractions must add up to 1, got {total:g}")
    return fractions
