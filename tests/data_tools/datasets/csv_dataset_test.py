"""Tables of cases, in the spellings that spreadsheets write."""

import pytest

from data_tools.datasets.dataset_check import dataset_warnings
from data_tools.datasets.open_dataset import read_dataset
from tests.data_tools.in_process import open_dataset
from tf_diffseg.errors import InputError

LABELS = {0: "background", 1: "organ"}


@pytest.fixture
def table(tmp_path):
    """`table(text)` writes it beside files a.nii, b.nii and l.nii."""
    for name in ("a.nii", "b.nii", "l.nii"):
        (tmp_path / name).touch()

    def write(text, name="My Cases.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write


@pytest.mark.parametrize(
    "written, split",
    [("val", "validation"), ("Valid", "validation"), ("training", "train"), ("b", "b")],
)
def test_usual_names_of_splits_are_ours(table, written, split):
    rows = f"a.nii,l.nii,a,{written}\nb.nii,l.nii,c,test\n"
    dataset = open_dataset(table(f"image,label,uid,split\n{rows}"), LABELS)
    assert [case.split for case in dataset.cases] == [split, "test"]


def test_all_columns(table, tmp_path):
    text = f"image,label,uid,split,age\na.nii,{tmp_path}/l.nii,z,train,44\n"
    dataset = open_dataset(table(f"{text}b.nii,l.nii,y,test,45\n"), LABELS)
    assert "follows a table of cases: 2 cases" in dataset.describe()
    assert dataset.name == "my_cases"
    assert dataset.class_names == ["background", "organ"]
    assert [(c.uid, c.split) for c in dataset.cases] == [("y", "test"), ("z", "train")]
    assert dataset.has_splits
    for case, name in zip(dataset.cases, ("b.nii", "a.nii"), strict=True):
        assert case.image_paths == (str(tmp_path / name),)
        assert case.label_path == str(tmp_path / "l.nii")
    (message,) = [p.message for p in dataset_warnings(dataset) if "column" in p.message]
    assert message == f"{dataset.path}: column 'age' is not used"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spellings_of_spreadsheets(table, separator, encoding):
    text = 'Image , LABEL\r\n"a.nii", l.nii\r\n\r\nb.nii,l.nii\r\n'
    path = table(text.replace(",", separator), encoding=encoding)
    dataset = open_dataset(path, LABELS)
    assert [case.uid for case in dataset.cases] == ["a", "b"]
    assert not dataset.has_splits


def test_one_column_per_channel(table):
    path = table("uid,image_T1,image_T2,label\nu,b.nii,a.nii,l.nii\n", "c.tsv")
    dataset = open_dataset(path, LABELS)
    assert dataset.channel_names == ["t1", "t2"]
    (case,) = dataset.cases
    assert [name[-5:] for name in case.image_paths] == ["b.nii", "a.nii"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has the columns .*, expected a first line such as image,label,uid,split"),
        ("image,lable\na.nii,l.nii\n", "has the columns 'image, lable', expected"),
        ("image,image,label\na,b,c\n", "expected .*, each name once"),
        ("image,label\n", "lists no case"),
        ("image,label\na.nii\n", "line 2 has 1 values, the first line names 2 columns"),
        ("image,label\n\na.nii,\n", "line 3 has no label"),
        ("image,label,split\na.nii,l.nii,\n", "line 2 has no split"),
        ("image,label,split\na.nii,l.nii,a/b\n", "line 2 has the split 'a/b'"),
        ('image,label\n"a.nii,l.nii\n', "cannot be read as a table: "),
        ("image,label\na.nii,\0\n", "My Cases.csv"),
        ("image,label\nx.nii,l.nii\n", "case 'x': .*x.nii does not exist"),
        ("image,label,uid\na.nii,l.nii,a/b\n", "has the uid 'a/b', expected a file"),
        ("image,label\na.nii,a.nii\n", "a.nii' is both image and label"),
        (
            "image,label,uid,split\na.nii,l.nii,u,train\nb.nii,l.nii,u,test\n",
            "case 'u' is in the splits test, train, expected one",
        ),
        ("image,label\na.nii,l.nii\na.nii,l.nii\n", "2 cases have the uid 'a'"),
    ],
)
def test_wrong_table_is_refused(table, text, message):
    with pytest.raises(InputError, match=message):
        open_dataset(table(text), LABELS)


@pytest.mark.parametrize(
    "name, labels, message",
    [
        ("a.csv", LABELS, "a.csv cannot be read as a table: .*No such"),
        ("a.csv", None, "add `labels=0=background,1=organ`"),
        ("dataset.json", LABELS, "declares its labels itself"),
    ],
)
def test_wrong_path_or_labels_are_refused(tmp_path, name, labels, message):
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path / name, labels)
