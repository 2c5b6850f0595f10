"""Opening a data set, whatever convention it follows."""

import pathlib

from data_tools.dataset import check_cases, read_json
from data_tools.errors import InputError
from data_tools.msd_dataset import msd_dataset


def open_dataset(path):
    """Reads what declares a data set and checks that every file it names exists.

    Args:
        path: a `dataset.json`, or the folder that holds one.

    Returns:
        A `Dataset`.

    Raises:
        InputError: if the file or one it names is missing, or it is not as its
            convention wants it.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "dataset.json"
    if not path.is_file():
        raise InputError(f"no dataset.json at {path}")
    dataset = msd_dataset(path, read_json(path))
    check_cases(dataset)
    return dataset
