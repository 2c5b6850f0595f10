"""Reading the folder of an evaluation, and tables that are not whole."""

import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.results_folder import read_values

_LINES = [
    "uid,class_id,class_name,dice,hd95_mm",
    "a,1,liver,0.5,2",
    "a,2,spleen,,",
    "b,1,liver,0.7,1",
    "b,2,spleen,0.9,3",
    "mean,1,liver,0.6,1.5",
    "mean,2,spleen,0.9,3",
    "mean,,foreground,0.65",
]


def _write(folder, lines):
    (folder / "metrics.csv").write_text("\n".join(lines))
    return folder


def test_a_table_has_the_values_of_each_class_and_of_the_foreground(tmp_path):
    values = read_values(_write(tmp_path, _LINES), "dice")
    assert values["liver"] == {"a": 0.5, "b": 0.7}
    assert np.isnan(values["spleen"]["a"]) and values["spleen"]["b"] == 0.9
    assert values["foreground"] == pytest.approx({"a": 0.5, "b": 0.8})


@pytest.mark.parametrize(
    "lines, message",
    [
        ([], "metrics.csv, line 1: expected a column uid, got none"),
        (["uid;dice"], "metrics.csv, line 1: expected a column uid, got uid;dice"),
        (["uid,class_id,class_name,iou"], "line 1: expected a column dice, got uid, c"),
        (_LINES[:1], "metrics.csv ends at line 1 before the means of its cases"),
        (_LINES[:4], "metrics.csv ends at line 4 before the means of its cases"),
        ([*_LINES[:3], "b,1,li"], "metrics.csv, line 4: expected 5 values"),
        ([*_LINES[:2], "a,2,spleen,0.5,1,7", *_LINES[3:]], "line 3: expected 5 values"),
        ([*_LINES[:2], "a,2,spleen,x,1", *_LINES[3:]], "line 3: .* as dice, got 'x'"),
        (_LINES[:4] + _LINES[5:], "metrics.csv: b has no row of spleen"),
        (_LINES[:2] + _LINES[1:], "line 3: a has a row of liver already"),
        (_LINES[:1] + _LINES[5:], "metrics.csv holds no cases"),
        (["\0"], "metrics.csv"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        read_values(_write(tmp_path, lines), "dice")


def test_a_missing_or_unreadable_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no metrics.csv"):
        read_values(tmp_path, "dice")
    (tmp_path / "metrics.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="metrics.csv cannot be read as a table"):
        read_values(tmp_path, "dice")
