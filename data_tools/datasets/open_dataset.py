"""Opening a data set, whatever convention it follows."""

import pathlib

from data_tools.datasets import csv_dataset, msd_dataset, nnunet_dataset
from data_tools.datasets.dataset_check import check_cases
from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json


def open_dataset(path, labels=None):
    """Reads what declares a data set and checks that every file it names is there.

    Args:
        path: a `dataset.json` of the Medical Segmentation Decathlon or of nnU-Net
            v2, the folder that holds one, or a .csv or .tsv table of cases.
        labels: for a table, dict from value in the label files to name.

    Returns:
        A `Dataset`.

    Raises:
        InputError: if the file or one it names is missing, or it is not as its
            convention wants it.
    """
    dataset = read_dataset(path, labels)
    check_cases(dataset)
    return dataset


def read_dataset(path, labels=None):
    """Does what `open_dataset` does without a look at the files of the cases."""
    path = pathlib.Path(path)
    if path.suffix.lower() in csv_dataset.ENDINGS:
        if labels is None:
            raise InputError(
                f"{path} does not tell what the values in its label files mean: add "
                "--labels=0=background,1=organ"
            )
        return csv_dataset.csv_dataset(path, labels)
    if labels is not None:
        raise InputError(f"{path} declares its labels itself, leave out --labels")
    if path.is_dir():
        path = path / "dataset.json"
    if not path.is_file():
        raise InputError(f"no dataset.json at {path}")
    fields = read_json(path)
    if nnunet_dataset.is_nnunet(fields):
        return nnunet_dataset.nnunet_dataset(path, fields)
    return msd_dataset.msd_dataset(path, fields)
