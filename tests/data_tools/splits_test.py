"""A case's split hangs on its name and the fractions, on nothing else."""

import re

import pytest

from data_tools.errors import InputError
from data_tools.splits import assign_splits, parse_split, split_of

_FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


def test_parse_keeps_the_order():
    parsed = parse_split("train=0.7,validation=0.15,test=0.15")
    assert list(parsed.items()) == list(_FRACTIONS.items())
    assert parse_split("all=1") == {"all": 1.0}


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected name=fraction, got ''"),
        ("train", "expected a fraction for 'train', got ''"),
        ("train=0.5,=0.5", "expected name=fraction, got '=0.5'"),
        ("train=half,test=0.5", "expected a fraction for 'train', got 'half'"),
        ("train=0.5,train=0.5", "'train' is there twice"),
        ("train=0.5,test=0.4", "the fractions must add up to 1, got 0.9"),
        ("train=1.5,test=-0.5", "the fraction of 'train' must be above 0"),
        ("train=1,test=0", "the fraction of 'test' must be above 0"),
        ("train=nan", "the fraction of 'train' must be above 0"),
        ("../train=1", "expected name=fraction, got '../train=1'"),
    ],
)
def test_parse_names_what_is_wrong(text, message):
    with pytest.raises(InputError, match=re.escape(f"--split={text}: {message}")):
        parse_split(text)


def test_sizes_come_near_the_fractions():
    uids = [f"case_{index}" for index in range(4000)]
    splits = assign_splits(uids, _FRACTIONS)
    assert sorted(sum(splits.values(), [])) == sorted(uids)
    for name, fraction in _FRACTIONS.items():
        assert len(splits[name]) / len(uids) == pytest.approx(fraction, abs=0.025)


def test_a_case_stays_when_others_come():
    uids = [f"case_{index}" for index in range(60)]
    before = assign_splits(uids[:40], _FRACTIONS)
    after = assign_splits(list(reversed(uids)), _FRACTIONS)
    assert after == assign_splits(uids, _FRACTIONS)
    for name, members in before.items():
        assert set(members) <= set(after[name])


@pytest.mark.parametrize("border, split", [(0.5408, "high"), (0.5410, "low")])
def test_known_answer(border, split):
    # The first 8 bytes of SHA-256 of "phantom_001" are 0.54092 of 2^64.
    assert split_of("phantom_001", {"low": border, "high": 1 - border}) == split


def test_empty_split_is_refused():
    message = r"--split leaves 'test' without a case \(2 cases"
    uids = ["case_0", "case_1"]
    with pytest.raises(InputError, match=message):
        assign_splits(uids, {"train": 1 - 1e-9, "test": 1e-9})
