"""A shard is trusted only by the note of the run that made it."""

import pytest

from data_tools.conversion.shards import ShardTask, assemble_shard
from data_tools.conversion.staging import Staging


class _Killed(Exception):
    """Stands for the end of a process."""


def test_a_shard_of_a_killed_run_is_not_that_of_an_earlier_one(tmp_path, monkeypatch):
    staging = Staging(tmp_path)
    staging.make()
    for key in ("first", "second"):
        staging.record_path(key).write_text(key)
    assemble_shard(ShardTask("shard", ["first"], staging))
    assert staging.done("shard")["keys"] == ["first"]

    def killed(*_):
        raise _Killed

    monkeypatch.setattr(Staging, "keep_done", killed)
    with pytest.raises(_Killed):
        assemble_shard(ShardTask("shard", ["second"], staging))
    assert (staging.shards / "shard").read_text() == "second"
    assert staging.done("shard") is None
