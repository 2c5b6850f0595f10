"""A damaged shard ends a run in one line."""

import numpy as np
import pytest
import tensorflow as tf

from experiments.benchmarks.example_shards import example_shards
from tf_diffseg.data import index_shards, training_dataset
from tf_diffseg.data.shard_errors import named_shard_errors
from tf_diffseg.errors import InputError

SHAPE = (4, 4, 4)


@pytest.fixture
def damaged():
    """`ExampleShards` of which the third shard's second record has a wrong byte."""
    with example_shards(shape=SHAPE, num_examples=8) as shards:
        index = index_shards(shards.paths)
        with open(shards.paths[2], "r+b") as file:
            file.seek(int(index.offset[5]) + 50)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))
        yield shards


def test_a_damaged_record_is_an_input_error(damaged):
    dataset = training_dataset(damaged.paths, 8, SHAPE, 2, affine_probability=0.5)
    with pytest.raises(InputError) as caught:
        with named_shard_errors():
            for _ in dataset.take(4):
                pass
    assert str(caught.value) == (
        f"shard {damaged.paths[2]} is damaged in record 1; "
        "see `python -m data_tools.inspect_shards --verify`"
    )


def test_a_missing_shard_is_an_input_error():
    with pytest.raises(InputError, match="shard /nowhere cannot be read"):
        with named_shard_errors():
            index_shards(["/nowhere"])


def test_another_error_passes():
    with pytest.raises(tf.errors.InvalidArgumentError):
        with named_shard_errors():
            tf.reshape(tf.constant(np.zeros(3)), [2])
