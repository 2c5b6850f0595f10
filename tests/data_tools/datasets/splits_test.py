"""The split of a case depends only on its name and the fractions."""

import pytest

from data_tools.datasets.splits import divide, split_of

_FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


def test_sizes_come_near_the_fractions():
    uids = [f"case_{index}" for index in range(4000)]
    division = divide(uids, _FRACTIONS)
    assert sorted(division.split_of) == sorted(uids)
    sides = list(division.split_of.values())
    for name, fraction in _FRACTIONS.items():
        assert sides.count(name) / len(uids) == pytest.approx(fraction, abs=0.025)
    assert (division.moved, division.left_out) == ((), ())
    assert all(split_of(uid, _FRACTIONS) == division.split_of[uid] for uid in uids)


def test_a_case_stays_when_others_come():
    uids = [f"case_{index}" for index in range(60)]
    before = divide(uids[:40], _FRACTIONS).split_of
    after = divide(list(reversed(uids)), _FRACTIONS).split_of
    assert after == divide(uids, _FRACTIONS).split_of
    assert before.items() <= after.items()


@pytest.mark.parametrize("border, split", [(0.5408, "high"), (0.5410, "low")])
def test_known_answer(border, split):
    # The first 8 bytes of SHA-256 of "phantom_001" are 0.54092 of 2^64.
    assert split_of("phantom_001", {"low": border, "high": 1 - border}) == split


@pytest.mark.parametrize("num_cases", [1, 2, 3, 4, 7, 24])
@pytest.mark.parametrize("name", ["scan", "p", "hippocampus"])
@pytest.mark.parametrize(
    "fractions", [_FRACTIONS, {"a": 0.5, "b": 0.5}, {"train": 1 - 1e-9, "rare": 1e-9}]
)
def test_no_split_is_empty_and_few_cases_are_moved(num_cases, name, fractions):
    uids = [f"{name}_{index:03d}" for index in range(num_cases)]
    division = divide(uids, fractions)
    assert division == divide(reversed(uids), fractions)
    sides = list(division.split_of.values())
    # If there are too few cases, the largest splits get them.
    expected = sorted(fractions, key=lambda split: -fractions[split])[:num_cases]
    assert set(sides) == set(expected)
    assert set(division.left_out) == set(fractions) - set(expected)
    # A case is moved only into a split that would be empty.
    own = {uid: split_of(uid, fractions) for uid in uids}
    moved = {uid for uid in uids if own[uid] != division.split_of[uid]}
    assert set(division.moved) == moved
    if num_cases >= len(fractions):
        for uid in moved:
            assert sides.count(division.split_of[uid]) == 1
        assert len(moved) == len(set(fractions) - set(own.values()))


def test_nearest_case_is_moved():
    # "phantom_001" is at 0.54092; "a" is at 0.79, "b" at 0.24.
    fractions = {"train": 0.85, "test": 0.15}
    division = divide(["phantom_001", "a", "b"], fractions)
    assert division.moved == ("a",)
    assert division.split_of["a"] == "test"
