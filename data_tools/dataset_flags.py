"""The flags by which every command is told which data set to read."""

from absl import flags

from data_tools import csv_dataset
from data_tools.errors import InputError
from data_tools.open_dataset import read_dataset

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
flags.mark_flags_as_mutual_exclusive(["dataset_json", "dataset_csv"], required=True)


def dataset_of_flags():
    """Reads the `Dataset` that the flags name, not yet its cases' files.

    Raises:
        InputError: as `open_dataset.read_dataset`.
    """
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
