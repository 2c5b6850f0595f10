"""The flags by which every command is told which data set to read."""

from absl import flags

from data_tools.datasets import csv_dataset
from data_tools.datasets.ignore_label import with_ignore_label
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.split_plan import SplitRule, with_splits
from data_tools.datasets.splits import parse_split
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
_LABELS = flags.DEFINE_string(
    "labels", None, "0=background,1=organ: the classes of --dataset_csv."
)
_IGNORE_LABEL = flags.DEFINE_integer(
    "ignore_label",
    None,
    "Value in the label files of voxels whose class is not known, such as 255; the "
    "data set may declare it itself.",
)
_SPLIT = flags.DEFINE_string(
    "split",
    "train=0.7,validation=0.15,test=0.15",
    "Split names and fractions, where the data set has no splits of its own; a case's "
    "name decides where it goes.",
)
_SPLIT_FILE = flags.DEFINE_string(
    "split_file",
    None,
    "JSON that says which split each case is in, in place of --split: nnU-Net's "
    "splits_final.json, or a data list with fold or validation; see docs/data.md.",
)
_FOLD = flags.DEFINE_integer(
    "fold", None, "Fold of --split_file to validate on.", lower_bound=0
)
_GROUP_BY = flags.DEFINE_string(
    "group_by",
    None,
    "Regular expression with one group, searched in a case's name, or column of the "
    "data set: cases of which it gives the same are in one split.",
)
flags.mark_flags_as_mutual_exclusive(["dataset_json", "dataset_csv"], required=True)


def dataset_of_flags():
    """Reads the `Dataset` that the flags name, not yet its cases' files.

    Raises:
        InputError: as `open_dataset.read_dataset` and `with_ignore_label`.
    """
    return with_ignore_label(_declared_dataset(), _IGNORE_LABEL.value)


def _declared_dataset():
    labels = None
    if _LABELS.value is not None:
        labels = csv_dataset.parse_labels(_LABELS.value)
    path = _DATASET_CSV.value
    if path is None:
        return read_dataset(_DATASET_JSON.value, labels)
    if not path.lower().endswith(csv_dataset.ENDINGS):
        expected = " or ".join(csv_dataset.ENDINGS)
        raise InputError(f"--dataset_csv={path}: expected a name in {expected}")
    return read_dataset(path, labels)


def split_by_flags(dataset):
    """Puts every case of a `Dataset` into a split.

    Returns:
        `(dataset, fractions)`: the `Dataset`, and the dict of `splits.parse_split`, or
        None where it is not by `--split` that the cases are divided.

    Raises:
        InputError: as `split_plan.with_splits`, if flags do not go together, or if the
            data set has its own splits and a flag gives others.
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
    has_fractions = not dataset.has_splits and _SPLIT_FILE.value is None
    return with_splits(dataset, rule), fractions if has_fractions else None
