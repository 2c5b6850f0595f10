"""Evaluation gets whole cases, in the order of the shards."""

import numpy as np
import pytest

from tests.data.made_shards import SHAPE, write_seven_cases
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.example_schema import KEYS, TRAINING_KEYS

_NUM_CASES = 7


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    return write_seven_cases(tmp_path_factory.mktemp("shards"))


def test_evaluation_gives_whole_cases_in_the_order_of_the_shards(shard_paths):
    dataset = evaluation_dataset(shard_paths)
    assert tuple(dataset.element_spec) == KEYS
    cases = list(dataset.as_numpy_iterator())
    assert [case["uid"].decode() for case in cases] == [
        f"case_{n}" for n in range(_NUM_CASES)
    ]
    for n, case in enumerate(cases):
        assert case["image"].shape == (*SHAPE, 2)
        np.testing.assert_array_equal(case["image"][..., 0], n)
        np.testing.assert_array_equal(case["image"][..., 1], case["label"])
        np.testing.assert_array_equal(case["source_label"], np.full((2, 3, 4), n))


@pytest.mark.parametrize("keys", [("image", "label"), ("uid",), TRAINING_KEYS])
def test_evaluation_reads_only_the_keys_of_interest(shard_paths, keys):
    dataset = evaluation_dataset(shard_paths[::-1], keys)
    assert tuple(dataset.element_spec) == keys
    first = next(dataset.as_numpy_iterator())
    assert tuple(first) == keys
    if "uid" in keys:
        assert first["uid"] == b"case_6"
