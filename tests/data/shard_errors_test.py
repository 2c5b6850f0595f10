"""The error of a damaged shard names the shard and the record; nothing is skipped."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tests.data.made_shards import serialized_case, write_shard, write_shards
from tf_diffseg.data import (
    ShardError,
    damaged_record,
    evaluation_dataset,
    index_shards,
    training_dataset,
)
from tf_diffseg.data.gzip_member import write_member


@pytest.fixture
def paths(tmp_path):
    """Two shards of three cases each."""
    return write_shards(tmp_path, [0, 1, 2], [3, 4, 5])


def _damage(path, place, mask=0xFF):
    with open(path, "r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ mask]))


def _message(dataset):
    with pytest.raises(tf.errors.OpError) as caught:
        list(dataset)
    return damaged_record(caught.value)


def test_index_finds_every_record(paths):
    index = index_shards(paths)
    assert len(index) == 6
    np.testing.assert_array_equal(index.shard, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(index.number, [0, 1, 2] * 2)
    np.testing.assert_array_equal(index.offset[[0, 3]], 0)
    np.testing.assert_array_equal(np.diff(index.offset)[:2], index.num_bytes[:2])


@pytest.mark.parametrize("place", [40, 300, -2])
def test_changed_data_is_found_wherever_it_lies(paths, place):
    index = index_shards(paths)
    first = int(index.offset[4])
    # The places lie in the data, in the data and in its checksum.
    place = place + (first if place >= 0 else first + int(index.num_bytes[4]))
    _damage(paths[1], place, mask=0x01)
    expected = f"shard {paths[1]} is damaged in record 1; see `python -m data_tools."
    assert _message(evaluation_dataset(paths)).startswith(expected)


# The lowest byte of the length, one that makes it shorter, the highest, the checksum.
@pytest.mark.parametrize("place, mask", [(0, 0x01), (1, 0x02), (7, 0x80), (9, 0x01)])
def test_a_changed_length_is_found_before_anything_is_read(paths, place, mask):
    first = int(index_shards(paths).offset[4])
    _damage(paths[1], first + place, mask)
    with pytest.raises(ShardError) as caught:
        evaluation_dataset(paths)
    assert str(caught.value) == (
        f"shard {paths[1]} is damaged in record 1: no record begins at byte {first}; "
        "see `python -m data_tools.inspect_shards --verify`"
    )


def test_zeros_are_no_records(paths):
    size = os.path.getsize(paths[1])
    with open(paths[1], "r+b") as file:
        file.write(bytes(size))
    with pytest.raises(ShardError, match="damaged in record 0: no record begins at"):
        index_shards(paths)


def test_compressed_and_plain_shards_are_not_mixed(paths, tmp_path):
    compressed = str(tmp_path / "toy-compressed.tfrecord")
    with open(paths[0], "rb") as source, open(compressed, "wb") as target:
        write_member(source, target)
    with pytest.raises(ShardError, match="only one of them is compressed"):
        index_shards([*paths, compressed])


def test_training_stops_at_a_damaged_record(paths):
    _damage(paths[0], 200)
    message = _message(training_dataset(paths, 6, (4, 4, 4), 2).take(3))
    assert "record 0; see `python -m data_tools.inspect_shards --verify`" in message


def test_a_record_that_is_no_case_is_named(paths):
    write_shard(paths[1], [serialized_case(0), tf.train.Example().SerializeToString()])
    message = _message(evaluation_dataset(paths))
    assert message.startswith(f"shard {paths[1]} is damaged in record 1; see")


@pytest.mark.parametrize("missing_bytes", [1, 100])
def test_a_truncated_shard_is_named_before_anything_is_read(paths, missing_bytes):
    index = index_shards(paths)
    size = int(index.offset[5] + index.num_bytes[5])
    with open(paths[1], "r+b") as file:
        file.truncate(size - missing_bytes)
    message = (
        f"shard {paths[1]} is truncated or damaged in record 2: it begins at byte "
        f"{index.offset[5]} and the file ends within it, at byte "
        f"{size - missing_bytes}; see `python -m data_tools.inspect_shards --verify`"
    )
    for make in (evaluation_dataset, lambda p: training_dataset(p, 6, (4, 4, 4), 2)):
        with pytest.raises(ShardError) as caught:
            make(paths)
        assert str(caught.value) == message


def test_a_missing_shard_is_named(paths):
    with pytest.raises(ShardError, match="shard /nowhere cannot be read"):
        index_shards([*paths, "/nowhere"])


def test_a_shard_that_vanishes_is_named_and_not_waited_for(paths):
    dataset = evaluation_dataset(paths)
    os.remove(paths[0])
    assert f"shard {paths[0]} is damaged in record 0" in _message(dataset)


def test_other_errors_name_no_damaged_record():
    assert damaged_record(ValueError("shard x")) is None
