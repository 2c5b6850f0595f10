"""A replica's share of a batch.

Strategies split a batch in order. Shares differ if it does not divide evenly, and the
last ones may be empty: 3 devices get 2, 2 and 0 of 4 cases.
"""

from typing import NamedTuple

import tensorflow as tf


class ReplicaShare(NamedTuple):
    """This replica's examples among those of all replicas.

    Attributes:
        start: number of examples of the replicas before it, an int scalar.
        size: number of its own examples.
        total: number of examples of all replicas.
    """

    start: tf.Tensor
    size: tf.Tensor
    total: tf.Tensor

    def of(self, values):
        """This replica's part of values [total, ...]: a tensor [size, ...]."""
        return values[self.start : self.start + self.size]


def num_replicas():
    """Number of replicas that share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_index():
    """Index of this replica."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def share_of_replica(size):
    """The `ReplicaShare` of a replica with `size` examples, an int scalar."""
    if num_replicas() == 1:
        return ReplicaShare(0, size, size)
    sizes = size * tf.one_hot(replica_index(), num_replicas(), dtype=tf.int32)
    sizes = sum_over_replicas(sizes)
    start = tf.cumsum(sizes, exclusive=True)[replica_index()]
    return ReplicaShare(start, size, tf.reduce_sum(sizes))


def sum_over_replicas(values):
    """Sums a tensor, or each of a list of them, over all replicas."""
    if num_replicas() == 1:
        return values
    context = tf.distribute.get_replica_context()
    # Several workers need tensors that know their device; some inputs do not.
    values = tf.nest.map_structure(tf.identity, values)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def gather_from_replicas(values, share):
    """Joins tensors [share.size] of all replicas to one [share.total] on each."""
    rest = share.total - share.start - share.size
    return sum_over_replicas(tf.pad(values, [[share.start, rest]]))


def fill_up(batch, num_parts=1):
    """Adds examples of zeros until there is one, and `num_parts` equal parts.

    So kernels and reductions never see an empty tensor. The results of added examples
    must be weighted by 0 or cut off.

    Args:
        batch: tensors [size, ...], in tuples of any depth.
        num_parts: divisor of the new number of examples.

    Returns:
        Tensors [at least size, ...], in the same tuples.
    """
    first = tf.nest.flatten(batch)[0]
    known_size = first.shape[0]
    is_full = known_size and known_size % num_parts == 0
    # A single device has an example of every batch.
    if is_full or (num_replicas() == 1 and num_parts == 1):
        return batch
    size = tf.shape(first)[0]
    full_size = num_parts * tf.maximum((size + num_parts - 1) // num_parts, 1)

    def fill(values):
        shape = tf.shape(values)
        # An empty share may be of volumes without voxels.
        full_shape = tf.concat([[full_size], tf.maximum(shape[1:], 1)], axis=0)
        missing = full_shape - shape
        filled = tf.pad(values, tf.stack([tf.zeros_like(missing), missing], axis=1))
        return tf.ensure_shape(filled, [None, *values.shape[1:]])

    return tf.nest.map_structure(fill, batch)
