"""How --split and --labels are read, and which values are refused."""

import re

import pytest

from data_tools.flags.dataset_flags import parse_labels, parse_split
from tf_diffseg.errors import InputError


def test_split_keeps_its_order():
    parsed = parse_split("train=0.7,validation=0.15,test=0.15")
    assert list(parsed) == ["train", "validation", "test"]
    assert list(parsed.values()) == [0.7, 0.15, 0.15]


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
def test_wrong_splits_are_named(text, message):
    with pytest.raises(InputError, match=re.escape(f"--split={text}: {message}")):
        parse_split(text)


def test_labels():
    labels = {0: "background", 10: "left kidney"}
    assert parse_labels("0=background, 10=left kidney") == labels


@pytest.mark.parametrize("text", ["", "organ", "1=", "=organ", "x=organ", "1=a,01=b"])
def test_wrong_labels_are_named(text):
    with pytest.raises(InputError, match=f"--labels={text}: "):
        parse_labels(text)
