"""A shard with too few or too many cases is named."""

import dataclasses

import pytest

from tests.data.made_shards import write_shard
from tests.runs.toy_run import MANIFEST
from tf_diffseg.data.manifest import Shard, Split
from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.errors import InputError


def _write(path, num_records):
    return write_shard(path, [b"a record"] * num_records)


@pytest.fixture
def manifest():
    shards = [Shard("a", 2, "0"), Shard("b", 3, "0")]
    validation = Split(["c", "d", "e", "f", "g"], shards, {})
    return dataclasses.replace(MANIFEST, splits={"validation": validation})


def test_whole_shards_pass(tmp_path, manifest):
    check_counts(manifest, [_write(tmp_path / "a", 2), _write(tmp_path / "b", 3)])


@pytest.mark.parametrize("count", [0, 2, 4])
def test_the_shard_with_another_count_is_named(tmp_path, manifest, count):
    paths = [_write(tmp_path / "a", 2), _write(tmp_path / "b", count)]
    message = f"shard {paths[1]} holds {count} cases, manifest.json says 3; see"
    with pytest.raises(InputError, match=message):
        check_counts(manifest, paths)


def test_a_shard_that_ends_within_a_case_is_named(tmp_path, manifest):
    path = tmp_path / "a"
    _write(path, 2)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=f"shard {path} is truncated or damaged in"):
        check_counts(manifest, [str(path)])
