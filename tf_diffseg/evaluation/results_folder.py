"""Reads a folder that experiments.evaluate wrote."""

import csv
import json
import math
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.means import foreground_mean

# Columns of metrics.csv before the metrics.
_COLUMNS = ("uid", "class_id", "class_name")
# Stands in place of a uid in rows of means over the cases.
_MEAN = "mean"
# Stands in place of a class, see `foreground_mean`.
FOREGROUND = "foreground"


def data_of(manifest, split):
    """The description of the data in metrics.json, under "data"."""
    return {"dataset": manifest.dataset, "split": split}


def read_data(folder):
    """Reads `data_of` an evaluation; empty if there is no metrics.json or no "data".

    Raises:
        InputError: metrics.json cannot be read.
    """
    path = pathlib.Path(folder) / "metrics.json"
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")).get("data", {}))
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not of experiments.evaluate: {error}") from error


def read_values(folder, metric):
    """Reads one metric of an evaluation.

    Args:
        folder: folder that `experiments.evaluate` wrote.
        metric: column of its metrics.csv.

    Returns:
        Dict from class name, or "foreground" for `foreground_mean`, to dict from uid to
        value; NaN if it is not defined.

    Raises:
        InputError: metrics.csv is missing, is another table, or is not whole.
    """
    path = pathlib.Path(folder) / "metrics.csv"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no metrics.csv; experiments.evaluate makes it"
        )
    try:
        with open(path, newline="", encoding="utf-8") as file:
            values = _values(path, csv.DictReader(file), metric)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    return with_foreground(values)


def metric_text(value):
    """A value of a metric as metrics.csv has it, empty if there is none."""
    return "" if math.isnan(value) else f"{value:.6g}"


def with_foreground(values):
    """Returns `values`, {class name: {uid: value}}, with "foreground" added."""
    foreground = {
        uid: float(foreground_mean([by_uid[uid] for by_uid in values.values()]))
        for uid in next(iter(values.values()))
    }
    return {**values, FOREGROUND: foreground}


def _values(path, reader, metric):
    """`read_values` from an open table, without "foreground"."""
    columns = reader.fieldnames or []
    for name in (*_COLUMNS, metric):
        if name not in columns:
            raise InputError(
                f"{path}, line 1: expected a column {name}, got "
                f"{', '.join(columns) or 'none'}"
            )
    found, has_means = {}, False
    for row in reader:
        has_means = row["uid"] == _MEAN
        if has_means:
            continue
        place = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise InputError(f"{place}: expected {len(columns)} values")
        by_uid = found.setdefault(row["class_name"], {})
        if row["uid"] in by_uid:
            raise InputError(
                f"{place}: {row['uid']} has a row of {row['class_name']} already"
            )
        by_uid[row["uid"]] = _number(place, metric, row[metric])
    if not has_means:
        raise InputError(
            f"{path} ends at line {reader.line_num} before the means of its cases: it "
            "is not whole"
        )
    _check_cases(path, found)
    return found


def _number(place, column, text):
    try:
        return float(text or "nan")
    except ValueError:
        raise InputError(
            f"{place}: expected a number as {column}, got {text!r}"
        ) from None


def _check_cases(path, found):
    """Raises InputError unless every class has the same cases."""
    if not found:
        raise InputError(f"{path} holds no cases")
    uids = set().union(*found.values())
    for name, by_uid in found.items():
        for uid in sorted(uids - by_uid.keys()):
            raise InputError(f"{path}: {uid} has no row of {name}")
