"""Splits by groups and by files, and notes on splits that are not used."""

import json
import re

import pytest

from data_tools.datasets.dataset import Case, Dataset
from data_tools.datasets.msd_dataset import msd_dataset
from data_tools.datasets.split_plan import SplitRule, with_splits
from tf_diffseg.errors import InputError

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}
UIDS = [f"case_{index}" for index in range(6)]
FOLDS = [
    {"train": UIDS[2:], "val": UIDS[:2]},
    {"train": UIDS[:2] + UIDS[4:], "val": UIDS[2:4]},
]


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


@pytest.mark.parametrize("num_scans", [2, 5])
@pytest.mark.parametrize(
    "name, group_by",
    [
        ("genius_{0:02d}{1:02d}", r"genius_(\d\d)\d\d"),
        ("sub-{0:02d}_ses-{1}_T1w", "^(sub-[^_]+)"),
        ("scan-{1}-of-{0}", "of-(.*)"),
    ],
)
def test_group_by_pattern_is_in_one_split(tmp_path, name, group_by, num_scans):
    uids = {
        patient: [name.format(patient, scan) for scan in range(num_scans)]
        for patient in range(1, 13)
    }
    dataset = _dataset(tmp_path, sum(uids.values(), []))
    split = _split(dataset, group_by=group_by)
    sides = _sides(split)
    for scans in uids.values():
        assert len({sides[uid] for uid in scans}) == 1
        assert len({split.groups[uid] for uid in scans}) == 1
    assert len(set(split.groups.values())) == len(uids)
    assert set(sides.values()) == set(FRACTIONS)


def test_pattern_is_searched_in_the_path_of_the_image(tmp_path):
    dataset = _dataset(tmp_path, ["a", "b", "c", "d"])
    dataset.cases[:] = [
        Case(case.uid, (str(tmp_path / f"p{index // 2}" / "t1.nii"),), case.label_path)
        for index, case in enumerate(dataset.cases)
    ]
    fractions = {"x": 0.5, "y": 0.5}
    sides = _sides(_split(dataset, group_by="^(p[0-9])/", fractions=fractions))
    assert sides["a"] == sides["b"] != sides["c"] == sides["d"]


def test_auto_groups_by_names_of_patients_alone(tmp_path):
    uids = [f"patient{p:03d}_frame{f:02d}" for p in range(1, 9) for f in (1, 12)]
    split = _split(_dataset(tmp_path, uids), group_by="auto")
    sides = list(_sides(split).values())
    assert sides[::2] == sides[1::2]
    (note,) = (note for note in split.split_notes if "one patient" in note)
    assert "so the 16 cases are split as 8 groups" in note
    (pattern,) = re.findall(r"by `group_by='([^']+)'`", note)
    assert _sides(_split(_dataset(tmp_path, uids), group_by=pattern)) == _sides(split)
    numbered = _dataset(tmp_path, UIDS)
    assert _split(numbered, group_by="auto") == _split(numbered)


def test_auto_leaves_the_splits_of_a_file(tmp_path):
    uids = ["p01_t0", "p01_t1", "p02_t0", "p02_t1"]
    path = _write(tmp_path, {"train": uids[:3], "val": uids[3:]})
    split = _split(_dataset(tmp_path, uids), split_file=path, group_by="auto")
    assert list(_sides(split).values()) == ["train"] * 3 + ["validation"]


def test_group_by_column_is_in_one_split(tmp_path):
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
        ("(x.*)", "of 6 of 6 cases is not matched"),
        ("^case_([0-2])", "of 3 of 6 cases is not matched, nor"),
    ],
)
def test_wrong_pattern_is_refused(tmp_path, group_by, message):
    with pytest.raises(InputError, match=re.escape(message)):
        _split(_dataset(tmp_path, UIDS), group_by=group_by)


def _write(tmp_path, content, name="splits_final.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("ending", ["", ".nii.gz", "_0000.nii.gz"])
def test_folds_of_nnunet(tmp_path, fold, ending):
    content = [
        {name: [uid + ending for uid in uids] for name, uids in each.items()}
        for each in FOLDS
    ]
    path = _write(tmp_path, content)
    split = _split(_dataset(tmp_path, UIDS), split_file=path, fold=fold)
    sides = dict.fromkeys(FOLDS[fold]["train"], "train")
    assert _sides(split) == sides | dict.fromkeys(FOLDS[fold]["val"], "validation")
    assert split.split_notes == ()


def test_single_fold_needs_no_number(tmp_path):
    path = _write(tmp_path, FOLDS[:1])
    sides = _sides(_split(_dataset(tmp_path, UIDS), split_file=path))
    assert list(sides.values()) == ["validation"] * 2 + ["train"] * 4


def test_object_of_splits_may_have_a_test(tmp_path):
    path = _write(tmp_path, {"train": UIDS[:3], "valid": UIDS[3:4], "test": UIDS[4:]})
    sides = _sides(_split(_dataset(tmp_path, UIDS), split_file=path))
    assert list(sides.values()) == ["train"] * 3 + ["validation"] + ["test"] * 2


@pytest.mark.parametrize(
    "content, rule, message",
    [
        (FOLDS, {}, "has 2 folds: choose one with `fold=0` to `fold=1`"),
        (FOLDS, {"fold": 2}, "^fold=2: .* has 2 fold"),
        ([{"train": [*UIDS, "x"], "val": []}], {}, "'val' lists no case"),
        ([{"train": [*UIDS, "x"]}], {}, "names 1 case.s. that .* not have: 'x'"),
        ([{"train": UIDS[1:], "val": UIDS[2:3]}], {}, "'case_2' is in the splits"),
        ([{"train": UIDS[2:], "val": UIDS[:1]}], {}, "leaves out 1 of .*'case_1'"),
        ([{"val": UIDS}], {}, "has no training cases, expected nnU-Net's"),
        ([], {}, "holds a list without folds"),
        ("x", {}, "is no list and no object"),
        ([{"train": [7], "val": UIDS}], {}, "has the entry 7, expected the name"),
        (FOLDS[:1], {"group_by": "^case_()"}, "of 6 of 6 cases is not matched"),
        (FOLDS[:1], {"group_by": "^(case)"}, "group 'case' in two splits: "),
    ],
)
def test_wrong_split_file_is_refused(tmp_path, content, rule, message):
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


def test_unused_splits_are_noted(tmp_path):
    _write(tmp_path, FOLDS)
    split = _split(_data_list(tmp_path)[0])
    assert len(split.cases) == 6
    beside, folds, others = (n for n in split.split_notes if "not used" in n)
    assert "splits_final.json is not used for the splits; `split_file=" in beside
    assert "gives 6 case(s) a 'fold', which is not used; `split_file=" in folds
    assert "lists 2 case(s) with a label beside those to train on" in others


def test_validation_list_of_a_data_list(tmp_path):
    dataset, path = _data_list(tmp_path)
    sides = _sides(_split(dataset, split_file=path))
    validated = dict.fromkeys(["v_0", "v_1"], "validation")
    assert sides == dict.fromkeys(UIDS, "train") | validated


@pytest.mark.parametrize("fold", [0, 1, 2])
@pytest.mark.parametrize("with_validation", [False, True])
def test_fold_of_a_data_list(tmp_path, fold, with_validation):
    dataset, path = _data_list(tmp_path, with_validation)
    sides = _sides(_split(dataset, split_file=path, fold=fold))
    validated = {UIDS[fold], UIDS[fold + 3]}
    assert {uid for uid, split in sides.items() if split == "validation"} == validated
    # The fold takes the place of the list `validation`, which is left to test on.
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
def test_missing_fold_is_refused(tmp_path, kinds, rule, message):
    dataset, path = _data_list(tmp_path, **kinds)
    with pytest.raises(InputError, match=message):
        _split(dataset, split_file=path, **rule)


def test_few_cases_are_noted(tmp_path):
    (note,) = _split(_dataset(tmp_path, ["x"])).split_notes
    expected = "1 case(s) are too few for all splits, so there is no validation, test"
    assert note == expected
    notes = _split(_dataset(tmp_path, ["x", "y", "z"])).split_notes
    assert any(note.startswith("few cases: so that no split is emp") for note in notes)
