"""Turns errors of damaged shards into one line."""

import contextlib

import tensorflow as tf

from tf_diffseg.data.record_reader import damaged_record
from tf_diffseg.data.shard_index import ShardError
from tf_diffseg.errors import InputError


@contextlib.contextmanager
def named_shard_errors():
    """Turns the error of a damaged shard into an InputError that names the shard."""
    try:
        yield
    except ShardError as error:
        raise InputError(str(error)) from error
    except tf.errors.OpError as error:
        message = damaged_record(error)
        if message is None:
            raise
        raise InputError(message) from error
