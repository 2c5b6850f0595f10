"""A table of cases: image, label, uid and split, one row per case.

The first line names the columns. `image` and `label` are required; if an image has a
file for each channel, each has a column, `image_NAME`. `uid` and `split` are optional.
File names are relative to the folder of the table, or absolute.
"""

import csv
import pathlib
import re

from data_tools.datasets.dataset import (
    Case,
    Dataset,
    checked_names,
    class_table,
    file_name_part,
    path_in,
    repeated_of,
    take_ignored,
)
from data_tools.datasets.split_file import SPLIT_NAMES
from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line, shown
from tf_diffseg.volumes.file_endings import uid_of_file

CONVENTION = "a table of cases"
ENDINGS = (".csv", ".tsv")
_FIRST_LINE = "expected a first line such as image,label,uid,split"


def csv_dataset(path, labels):
    """Makes a `Dataset` from a table of cases.

    Args:
        path: a .csv or .tsv file; the first line shows which character separates
            columns.
        labels: dict from value in the label files to name, which a table does not
            hold.

    Raises:
        InputError: if the table does not have the form above.
    """
    path = pathlib.Path(path)
    columns, rows = _table(path)
    image_columns = [name for name in columns if re.match(r"image(_.|$)", name)]
    if not image_columns or "label" not in columns:
        raise InputError(
            f"{path} has the columns {shown(', '.join(columns))}, {_FIRST_LINE}"
        )
    labels, ignore_label = take_ignored("`labels`", labels)
    label_values, class_names = class_table("`labels`", labels)
    channel_names = [name.removeprefix("image_") for name in image_columns]
    used = {*image_columns, "label", "uid", "split"}
    unused = sorted(set(columns) - used)
    return Dataset(
        path=str(path),
        convention=CONVENTION,
        name=file_name_part(path, path.stem),
        license="unknown",
        class_names=class_names,
        label_values=label_values,
        channel_names=checked_names(path, "image", channel_names),
        cases=sorted(
            (_case(path, line, row, image_columns, unused) for line, row in rows),
            key=lambda case: case.uid,
        ),
        unused_columns=tuple(unused),
        ignore_label=ignore_label,
    )


def _table(path):
    """`(column names, [(line number, dict from column to value)])`."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            separator = max(",;\t", key=first.count)
            lines = csv.reader(file, delimiter=separator, strict=True)
            columns = next(csv.reader([first], delimiter=separator, strict=True), [])
            columns = [name.strip().lower() for name in columns]
            # `line_num` counts from the second line.
            rows = [(lines.line_num + 1, row) for row in lines if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as a table: {one_line(error)}"
        ) from error
    repeated = repeated_of(columns)
    if not columns or repeated:
        raise InputError(
            f"{path} has the columns {shown(', '.join(columns))}, {_FIRST_LINE}, each "
            "name once"
        )
    if not rows:
        raise InputError(f"{path} lists no case")
    for line, row in rows:
        if len(row) != len(columns):
            raise InputError(
                f"{path}: line {line} has {len(row)} values, the first line names "
                f"{len(columns)} columns"
            )
    return columns, [
        (line, dict(zip(columns, map(str.strip, row), strict=True)))
        for line, row in rows
    ]


def _case(path, line, row, image_columns, other_columns):
    # An empty cell of a column that exists is a mistake, not a default.
    empty = [
        name
        for name in (*image_columns, "label", "uid", "split")
        if not row.get(name, "given")
    ]
    if empty:
        raise InputError(f"{path}: line {line} has no {' and no '.join(empty)}")
    split = row.get("split")
    if split is not None and not re.fullmatch(r"[A-Za-z]\w*", split, flags=re.ASCII):
        raise InputError(
            f"{path}: line {line} has the split {shown(split)}, expected a name of "
            "letters and digits"
        )
    image_paths = tuple(path_in(path.parent, row[name]) for name in image_columns)
    return Case(
        uid=row.get("uid", uid_of_file(image_paths[0])),
        image_paths=image_paths,
        label_path=path_in(path.parent, row["label"]),
        split=split and SPLIT_NAMES.get(split.lower(), split),
        columns=tuple((name, row[name]) for name in other_columns),
    )
