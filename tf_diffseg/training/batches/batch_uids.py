"""The cases that a batch is made of."""

import tensorflow as tf

from tf_diffseg.data.epoch_order import EpochOrder, Remainder
from tf_diffseg.data.record_reader import RecordReader
from tf_diffseg.data.shard_index import index_shards


def batch_uids(
    shard_paths,
    num_examples,
    batch_size,
    seed,
    epoch,
    step,
    patches_per_volume=1,
    remainder=Remainder.DROP,
):
    """The cases of one batch of `data.training_dataset`, given its arguments.

    Args:
        shard_paths: TFRecord files of `data.example_schema`.
        num_examples: cases that are in them.
        batch_size: examples in a batch, over all workers and replicas.
        seed: int.
        epoch: number of epochs before.
        step: number of steps before, within the epoch.
        patches_per_volume: patches that are cut from a volume.
        remainder: `Remainder` or its value.

    Returns:
        List of uids, in the order of the batch.
    """
    order = EpochOrder(num_examples, batch_size, patches_per_volume, remainder)
    read = RecordReader(index_shards(shard_paths), ("uid",))
    step += epoch * order.steps_per_epoch
    round_index = tf.constant(step // patches_per_volume, tf.int64)
    cases, _ = order.cases(round_index, tf.constant([seed, 0], tf.int64))
    return [read(case)["uid"].numpy().decode() for case in cases]
