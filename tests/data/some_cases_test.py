"""Some of the cases of shards are read as if there were no others."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.data.made_shards import SHAPE, write_seven_cases, write_shards
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.shard_index import ShardError, index_shards
from tf_diffseg.data.some_cases import SomeCases
from tf_diffseg.data.training_pipeline import training_dataset
from tf_diffseg.data.validation_pipeline import validation_dataset

_PATCH_SHAPE = (3, 3, 3)


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    return write_seven_cases(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def some_cases(shard_paths, tmp_path_factory):
    """(`SomeCases`, shards that hold the same cases and no others)."""
    alone = write_shards(tmp_path_factory.mktemp("alone"), [1, 2], [5, 6])
    return SomeCases(tuple(shard_paths), (1, 2, 5, 6)), alone


@pytest.mark.parametrize(
    "keywords",
    [
        {"first_step": 3, "patches_per_volume": 2},
        {"input_context": tf.distribute.InputContext(2, 1, 2), "remainder": "pad"},
    ],
)
def test_some_cases_are_batched_as_if_there_were_no_others(some_cases, keywords):
    found, expected = (
        training_dataset(paths, 4, _PATCH_SHAPE, 2, seed=5, **keywords).take(6)
        for paths in some_cases
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours["image"], theirs["image"])
        np.testing.assert_array_equal(ours["label"], theirs["label"])


def test_some_cases_are_evaluated_and_validated_alone(some_cases):
    chosen, alone = some_cases
    uids = [case["uid"] for case in evaluation_dataset(chosen).as_numpy_iterator()]
    assert uids == [b"case_1", b"case_2", b"case_5", b"case_6"]
    context = tf.distribute.InputContext(2, 1, 2)
    for found, expected in zip(
        validation_dataset(chosen, SHAPE, 10**9, context),
        validation_dataset(alone, SHAPE, 10**9, context),
        strict=True,
    ):
        np.testing.assert_array_equal(found["image"], expected["image"])


def test_other_cases_are_not_read(some_cases, tmp_path):
    """Bytes of the data of all other records may be anything."""
    chosen, _ = some_cases
    index, paths = index_shards(chosen.shard_paths), []
    for shard, path in enumerate(chosen.shard_paths):
        content = bytearray(pathlib.Path(path).read_bytes())
        for row in np.flatnonzero(index.shard == shard):
            if row not in chosen.numbers:
                first = index.offset[row] + 12
                content[first : first + 40] = bytes(40)
        (tmp_path / str(shard)).write_bytes(content)
        paths.append(str(tmp_path / str(shard)))
    damaged = SomeCases(tuple(paths), chosen.numbers)
    assert len(list(evaluation_dataset(damaged))) == len(chosen.numbers)
    with pytest.raises(ShardError, match="hold 7 cases, expected more than 7"):
        evaluation_dataset(SomeCases(chosen.shard_paths, (0, 7)))
