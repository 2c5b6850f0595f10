"""Opening a data set, whatever convention it follows."""

import pathlib

from data_tools.datasets import csv_dataset, msd_dataset, nnunet_dataset
from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json

# For each convention of a dataset.json: a function that recognises it and one that
# reads it. If none recognises it, the Decathlon's convention is tried.
_CONVENTIONS = [
    (nnunet_dataset.is_nnunet, nnunet_dataset.nnunet_dataset),
]


def read_dataset(path, labels=None):
    """Reads the declaration of a data set, but no file of its cases.

    Args:
        path: a `dataset.json` of the Medical Segmentation Decathlon or of nnU-Net
            v2, the folder that holds one, or a .csv or .tsv table of cases.
        labels: for a table, dict from value in the label files to name.

    Returns:
        A `Dataset`.

    Raises:
        InputError: if the file is missing or does not follow its convention.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() in csv_dataset.ENDINGS:
        if labels is None:
            raise InputError(
                f"{path} does not tell what the values in its label files mean: add "
                "`labels=0=background,1=organ`"
            )
        return csv_dataset.csv_dataset(path, labels)
    if labels is not None:
        raise InputError(f"{path} declares its labels itself, leave out `labels`")
    if path.is_dir():
        path = path / "dataset.json"
    if not path.is_file():
        raise InputError(f"no dataset.json at {path}")
    fields = read_json(path)
    for is_convention, read in _CONVENTIONS:
        if is_convention(fields):
            return read(path, fields)
    return msd_dataset.msd_dataset(path, fields)


def read_table(path, labels=None):
    """Like `read_dataset`, but accepts only a table."""
    if not str(path).lower().endswith(csv_dataset.ENDINGS):
        expected = " or ".join(csv_dataset.ENDINGS)
        raise InputError(
            f"dataset_csv={path}: expected a name in {expected}", argument="dataset_csv"
        )
    return read_dataset(path, labels)
