"""Splits by groups, by files that say so, and what is told of those not used."""

import json
import re

import pytest

from data_tools.datasets.dataset import Case, Dataset
from data_tools.datasets.msd_dataset import msd_dataset
from data_tools.datasets.split_plan import SplitRule, with_splits
from tf_diffseg.errors import InputError

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


def _dataset(tmp_path, uids, columns=(), **fields):
    path = tmp_path / "dataset.json"
    path.touch()
    return Dataset(
        path=str(path),
        convention="nnU-Net v2",
        name="toy",
        license="unknown",
        class_names=["background", "organ"],
        label_values=[0, 1],
        channel_names=["MRI"],
        cases=[
            Case(
                uid,
                (str(tmp_path / "imagesTr" / f"{uid}_0000.nii.gz"),),
                str(tmp_path / "labelsTr" / f"{uid}.nii.gz"),
                columns=tuple(columns[index].items()) if columns else (),
            )
            for index, uid in enumerate(uids)
        ],
        **fields,
    )


def _split(dataset, **rule):
    return with_splits(dataset, SplitRule(**{"fractions": FRACTIONS, **rule}))


def _sides(dataset):
    return {case.uid: case.split for case in dataset.cases}


PATIENTS = [
    f"genius_{patient:02d}{scan:02d}" for patient in range(20) for scan in (0, 1)
]


@pytest.mark.parametrize("scans", [2, 3, 5])
@pytest.mark.parametrize(
    "name, group_by",
    [
        ("genius_{0:02d}{1:02d}", r"genius_(\d\d)\d\d"),
        ("sub-{0:02d}_ses-{1}_T1w", "^(sub-[^_]+)"),
        ("patient{0:03d}_frame{1:02d}", "^(patient[0-9]+)_"),
        ("scan-{1}-of-{0}", "of-(.*)"),
    ],
)
def test_a_group_is_on_one_side(tmp_path, name, group_by, scans):
    patients = {
        name.format(patient, scan): patient
        for patient in range(1, 13)
        for scan in range(scans)
    }
    dataset = _split(_dataset(tmp_path, list(patients)), group_by=group_by)
    sides = _sides(dataset)
    for patient in range(1, 13):
        assert len({sides[uid] for uid in sides if patients[uid] == patient}) == 1
    assert set(sides.values()) == set(FRACTIONS)
    # The same patients go the same way however many scans they have.
    one = [uid for uid in patients if patients[uid] == 1]
    assert sides[one[0]] == _sides(dataset)[one[-1]]


def test_a_group_by_the_folder_of_its_image(tmp_path):
    dataset = _dataset(tmp_path, ["a", "b", "c", "d"])
    cases = [
        Case(case.uid, (str(tmp_path / f"p{index // 2}" / "t1.nii"),), case.label_path)
        for index, case in enumerate(dataset.cases)
    ]
    dataset.cases[:] = cases
    sides = _sides(
        _split(dataset, group_by="^(p[0-9])/", fractions={"x": 0.5, "y": 0.5})
    )
    assert sides["a"] == sides["b"] != sides["c"] == sides["d"]


def test_a_column_names_the_group(tmp_path):
    uids = [f"scan{index}" for index in range(8)]
    columns = [{"patient": f"p{index // 2}", "age": "7"} for index in range(8)]
    dataset = _dataset(tmp_path, uids, columns, unused_columns=("patient", "age"))
    split = _split(dataset, group_by="Patient")
    sides = list(_sides(split).values())
    assert sides[::2] == sides[1::2]
    assert split.unused_columns == ("age",)


@pytest.mark.parametrize(
    "group_by, message",
    [
        ("genius", "has 0 groups in parentheses, expected a regular expression with"),
        ("(g)(e)", "has 2 groups in parentheses"),
        ("(", "group_by=(: missing ), unterminated subpattern"),
        ("(x.*)", "of 40 of 40 cases is not matched"),
        ("^genius_(0.)", "of 20 of 40 cases is not matched, nor"),
    ],
)
def test_a_pattern_that_does_not_fit_is_named(tmp_path, group_by, message):
    with pytest.raises(InputError, match=re.escape(message)):
        _split(_dataset(tmp_path, PATIENTS), group_by=group_by)


UIDS = [f"case_{index}" for index in range(6)]
FOLDS = [
    {"train": UIDS[2:], "val": UIDS[:2]},
    {"train": UIDS[:2] + UIDS[4:], "val": UIDS[2:4]},
]


def _write(tmp_path, content, name="splits_final.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("ending", ["", ".nii.gz", "_0000.nii.gz"])
def test_folds_of_nnunet(tmp_path, fold, ending):
    content = [
        {name: [uid + ending for uid in uids] for name, uids in of.items()}
        for of in FOLDS
    ]
    path = _write(tmp_path, content)
    split = _split(_dataset(tmp_path, UIDS), split_file=path, fold=fold)
    expected = FOLDS[fold]["val"]
    assert [uid for uid, s in _sides(split).items() if s == "validation"] == expected
    assert set(_sides(split).values()) == {"train", "validation"}
    assert split.split_notes == ()


def test_one_fold_needs_no_number_and_an_object_may_have_a_test(tmp_path):
    path = _write(tmp_path, FOLDS[:1])
    assert _sides(_split(_dataset(tmp_path, UIDS), split_file=path))["case_0"] == (
        "validation"
    )
    content = {"train": UIDS[:3], "valid": UIDS[3:4], "test": UIDS[4:]}
    path = _write(tmp_path, content, "mine.json")
    sides = _sides(_split(_dataset(tmp_path, UIDS), split_file=path))
    assert list(sides.values()) == ["train"] * 3 + ["validation"] + ["test"] * 2


@pytest.mark.parametrize(
    "content, rule, message",
    [
        (FOLDS, {}, "has 2 folds: choose one with `fold=0` to `fold=1`"),
        (FOLDS, {"fold": 2}, "^fold=2: .* has 2 fold"),
        ([{"train": [*UIDS, "x"], "val": []}], {}, "'val' lists no case"),
        ([{"train": [*UIDS, "x"]}], {}, "names 1 case.s. that .* not have: 'x'"),
        (
            [{"train": UIDS[1:], "val": UIDS[2:3]}],
            {},
            "'case_2' is in the splits",
        ),
        (
            [{"train": UIDS[2:], "val": UIDS[:1]}],
            {},
            "leaves out 1 of .*'case_1'",
        ),
        ([{"val": UIDS}], {}, "has no training cases, expected nnU-Net's"),
        ([], {}, "holds a list without folds"),
        ("x", {}, "is no list and no object"),
        ([{"train": [7], "val": UIDS}], {}, "has the entry 7, expected the name"),
        (FOLDS[:1], {"group_by": "^case_()"}, "of 6 of 6 cases is not matched"),
        (
            FOLDS[:1],
            {"group_by": "^(case)"},
            "group 'case' in two splits: ",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, content, rule, message):
    path = _write(tmp_path, content)
    with pytest.raises(InputError, match=message):
        _split(_dataset(tmp_path, UIDS), split_file=path, **rule)


def _data_list(tmp_path, with_validation=True, folds=(0, 1, 2)):
    """A data list of MONAI: six cases in folds, two to validate on, one unlabelled."""

    def entry(uid, **more):
        return {"image": f"im/{uid}.nii.gz", "label": f"la/{uid}.nii.gz", **more}

    fields = {
        "name": "x",
        "labels": {"0": "background", "1": "a"},
        "training": [
            entry(uid, **({"fold": folds[i % len(folds)]} if folds else {}))
            for i, uid in enumerate(UIDS)
        ],
        "test": [{"image": "im/t.nii.gz"}],
    }
    if with_validation:
        fields["validation"] = [entry("v_0"), entry("v_1")]
    path = _write(tmp_path, fields, "dataset.json")
    return msd_dataset(path, fields), path


def test_a_data_list_that_is_not_used_is_told(tmp_path):
    _write(tmp_path, FOLDS)
    split = _split(_data_list(tmp_path)[0])
    assert len(split.cases) == 6
    beside, folds, others = (n for n in split.split_notes if "not used" in n)
    assert "splits_final.json is not used for the splits; `split_file=" in beside
    assert "gives 6 case(s) a 'fold', which is not used; `split_file=" in folds
    assert "lists 2 case(s) with a label beside those to train on" in others


def test_the_validation_list_of_a_data_list(tmp_path):
    dataset, path = _data_list(tmp_path)
    sides = _sides(_split(dataset, split_file=path))
    assert sides == {
        **dict.fromkeys(UIDS, "train"),
        "v_0": "validation",
        "v_1": ("validation"),
    }


@pytest.mark.parametrize("fold", [0, 1, 2])
@pytest.mark.parametrize("with_validation", [False, True])
def test_a_fold_of_a_data_list(tmp_path, fold, with_validation):
    dataset, path = _data_list(tmp_path, with_validation)
    sides = _sides(_split(dataset, split_file=path, fold=fold))
    validated = {UIDS[fold], UIDS[fold + 3]}
    assert {uid for uid, split in sides.items() if split == "validation"} == validated
    # Neither trained on nor chosen by.
    tested = {"v_0", "v_1"} if with_validation else set()
    assert {uid for uid, split in sides.items() if split == "test"} == tested


@pytest.mark.parametrize(
    "kinds, rule, message",
    [
        ({"with_validation": False}, {}, "has the folds '0', '1', '2': choose the one"),
        ({}, {"fold": 7}, "^fold=7: .* has the folds '0', '1', '2'"),
        ({"folds": ()}, {"fold": 0}, "^fold=0: .* has no entry with a 'fold'"),
    ],
)
def test_a_fold_that_is_not_there(tmp_path, kinds, rule, message):
    dataset, path = _data_list(tmp_path, **kinds)
    with pytest.raises(InputError, match=message):
        _split(dataset, split_file=path, **rule)


def test_few_cases_are_told(tmp_path):
    (note,) = _split(_dataset(tmp_path, ["x"])).split_notes
    assert (
        note == "1 case(s) are too few for all splits, so there is no validation, test"
    )
    notes = _split(_dataset(tmp_path, ["x", "y", "z"])).split_notes
    assert any(
        note.startswith("few cases: so that no split is empty") for note in notes
    )
