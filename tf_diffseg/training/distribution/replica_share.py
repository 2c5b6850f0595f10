"""A replica's share of a batch.

Strategies deal a batch out in order. Shares differ where it does not divide evenly,
and the last ones may be empty: with 2 devices the batch of one case, with 3 devices
that of 4, which is dealt out as 2, 2 and 0.
"""

from typing import NamedTuple

import tensorflow as tf


class ReplicaShare(NamedTuple):
    """Which examples of the batch of all replicas are this replica's.

    Attributes:
        start: examples of the replicas before it, an int scalar.
        size: its own.
        total: those of all replicas.
    """

    start: tf.Tensor
    size: tf.Tensor
    total: tf.Tensor

    def of(self, values):
        """This replica's part of values [total, ...]: a tensor [size, ...]."""
        return values[self.start : self.start + self.size]


def num_replicas():
    """How many replicas share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_index():
    """Number of this replica among them."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group


def share_of_replica(size):
    """Asks all replicas how many examples they have.

    Args:
        size: examples of this replica, an int scalar.

    Returns:
        `ReplicaShare`.
    """
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
    # On several workers a tensor must tell its device, and not all of them do.
    values = tf.nest.map_structure(tf.identity, values)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def gather_from_replicas(values, share):
    """Values of the whole batch, from each replica's share of it.

    Args:
        values: float tensor [share.size].
        share: this replica's `ReplicaShare`.

    Returns:
        Tensor [share.total], the same on all replicas.
    """
    rest = share.total - share.start - share.size
    return sum_over_replicas(tf.pad(values, [[share.start, rest]]))


def fill_up(batch, num_parts=1):
    """Adds examples of zeros until there is one, and parts of the batch are equal.

    Kernels and reductions then never see an empty tensor; what is made of the zeros is
    to be weighted by 0 or cut off.

    Args:
        batch: tensors [size, ...], in tuples of any depth.
        num_parts: what the number of examples is to be a multiple of.

    Returns:
        Tensors [at least size, ...], in the same tuples; the same where nothing is
        added.
    """
    first = tf.nest.flatten(batch)[0]
    known_size = first.shape[0]
    is_full = known_size and known_size % num_parts == 0
    # One device alone has a share of every batch.
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
