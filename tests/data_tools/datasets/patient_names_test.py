"""Names that a warning takes for scans of one patient."""

import re

import pytest

from data_tools.datasets.dataset import Case
from data_tools.datasets.patient_names import grouping_hint


def _hint(uids):
    """The notes if every second case is in another split."""
    return grouping_hint(
        [
            Case(uid, (f"{uid}.nii",), f"l/{uid}.nii", ("train", "test")[index % 2])
            for index, uid in enumerate(uids)
        ]
    )


_PAIRS = {
    "digits": [f"genius_{p:02d}{s:02d}" for p in range(20) for s in (0, 1)],
    "digits of three": [f"genius_{p:02d}0{s}" for p in (8, 9, 10) for s in range(3)],
    "BIDS": [f"sub-{p:02d}_ses-{s}_T1w" for p in range(9) for s in (1, 2)],
    "sessions": [f"sub-{p:02d}_ses-{s:02d}" for p in range(6) for s in range(2)],
    "frames": [f"patient{p:03d}_frame{s:02d}" for p in range(9) for s in (1, 12)],
    "films": [f"p{p}_Frame{s:02d}" for p in range(3) for s in range(30)],
    "BraTS": [f"BraTS-GLI-{p:05d}-{s:03d}" for p in range(9) for s in range(2)],
    "sides": [f"case_{p}{side}" for p in range(9) for side in "LR"],
    "side words": [f"P{p:02d}_{side}" for p in range(9) for side in ("left", "right")],
    "times": [f"p{p:02d}_t{s}" for p in range(6) for s in range(2)],
    "dates": [f"pat{p}_2020010{s}" for p in range(6) for s in (1, 2)],
    "TCGA": [f"TCGA-DU-{p}_1995{s:02d}05" for p in range(9) for s in (3, 4)],
    "two names": [f"{name}_{s}" for name in ("smith", "jones") for s in (0, 1)],
    "names": [f"{name}-{s}" for name in ("smith", "wu", "o_li") for s in (1, 2, 3)],
}


@pytest.mark.parametrize("odd", [[], ["extra"], ["zz_odd_name", "phantom"]])
@pytest.mark.parametrize("uids", _PAIRS.values(), ids=_PAIRS)
def test_names_of_patients_are_noted(uids, odd):
    if len(odd) > len(uids) // 3:
        return
    (note,) = _hint(uids + odd)
    (pattern,) = re.findall("`group_by='([^']+)'`", note)
    # Each odd name is a group of its own.
    groups = [re.search(pattern, uid).group(1) for uid in uids + odd]
    count = len({name for name in groups if groups.count(name) > 1})
    assert f" of {count} such groups are in two splits" in note
    assert count == len(set(groups)) - len(odd) >= 2


@pytest.mark.parametrize(
    "uids",
    [
        [*_PAIRS["times"], *(f"p01_t{s}" for s in range(2, 16))],
        [*_PAIRS["digits"], "genius_0307"],
        _PAIRS["digits"][1:],
        [f"p{p:02d}_t0" for p in range(30)] + ["p07_t1", "p09_t1"],
    ],
    ids=["more scans", "a gap", "without the first", "mostly one scan"],
)
def test_one_odd_patient_changes_nothing(uids):
    (note,) = _hint(sorted(uids))
    assert "look like scans of one patient" in note


@pytest.mark.parametrize(
    "uids",
    [
        [f"hippocampus_{i:03d}" for i in (1, 3, 4, 6, 7, 8, 11, 14, 15, 17, 20)],
        [f"BraTS2021_{i:05d}" for i in (0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 16, 17)],
        [f"BraTS2021_{i:05d}" for i in range(60)],
        [f"BraTS-GLI-{i:05d}-000" for i in range(60)],
        [f"case_{i:03d}" for i in range(1, 201)],
        [f"case_{i:03d}" for i in range(1, 201) if i % 7],
        [f"case_{i:03d}" for i in range(0, 200, 5)],
        [*(f"case_{i:03d}" for i in range(1, 201)), "extra"],
        [f"case_{i}" for i in range(1, 31)],
        [f"case_{i}" for i in (3, 10, 11, 20, 21, 30)],
        [f"Case{i:02d}" for i in range(50)],
        [f"Case{i:02d}" for i in range(8, 16)],
        [f"phantom_{i:03d}" for i in range(45)],
        [f"site1_{i:03d}" for i in range(30)],
        [f"{site}_{i:03d}" for site in ("liver", "colon") for i in range(30)],
        [f"sub-{i:02d}" for i in range(30)],
        [f"IXI{i:03d}-Guys-{700 + 3 * i:04d}" for i in range(2, 40)],
        [f"patient{i:03d}" for i in range(1, 101)],
        [f"p{i:02d}_t0" for i in range(30)],
        [f"patient{i:03d}_frame01" for i in range(30)],
        list("abcdefghij"),
        ["a"],
    ],
    ids=lambda uids: uids[0],
)
def test_consecutive_numbers_are_not_noted(uids):
    assert _hint(uids) == []
