"""The flags by which every command is told which data set to read."""

from absl import flags

from data_tools import csv_dataset
from data_tools.errors import InputError
from data_tools.ignore_label import with_ignore_label
from data_tools.open_dataset import read_dataset
from data_tools.splits import parse_split

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


def fractions_of_flags(dataset):
    """How a `Dataset` is split where it does not say so itself.

    Raises:
        InputError: as `splits.parse_split`, or if it does and `--split` is given.
    """
    if dataset.has_splits and flags.FLAGS["split"].present:
        raise InputError(
            f"--split={_SPLIT.value}: {dataset.path} has its own splits, leave out "
            "--split or the column"
        )
    return parse_split(_SPLIT.value)
