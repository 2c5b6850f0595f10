"""Whole cases from TFRecord shards, to be segmented and scored."""

import tensorflow as tf

from tf_diffseg.data.example_schema import KEYS
from tf_diffseg.data.pipeline_options import options
from tf_diffseg.data.record_reader import RecordReader
from tf_diffseg.data.shard_index import index_shards


def evaluation_dataset(shard_paths, keys=KEYS, input_context=None):
    """Whole cases, one by one and in the order of the shards.

    Args:
        shard_paths: paths of TFRecord files of `data.example_schema`, or `SomeCases`.
        keys: which of `data.example_schema.KEYS` to read.
        input_context: `tf.distribute.InputContext` of one of n workers, which gets
            every n-th case; None for all cases.

    Returns:
        Dataset of dicts as `parse_example` returns them, without a batch axis.

    Raises:
        ShardError: a ValueError; a shard is missing or truncated.

    Example:
        >>> for example in evaluation_dataset(shard_paths):
        ...     label = example["source_label"]  # On the grid of the file.
    """
    index = index_shards(shard_paths)
    first = input_context.input_pipeline_id if input_context else 0
    step = input_context.num_input_pipelines if input_context else 1
    return (
        tf.data.Dataset.range(first, len(index), step)
        .map(
            RecordReader(index, keys),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .with_options(options())
        .prefetch(1)
    )
