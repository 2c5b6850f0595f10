"""What a training step draws at random, the same on any number of devices.

Time steps and noise are drawn for the batch of all replicas and then cut, so that an
example trains on the same, however many devices share the batch.
"""

from typing import NamedTuple

import tensorflow as tf

_PHILOX = tf.random.Algorithm.PHILOX


class StepSeeds(NamedTuple):
    """Stateless seeds [2] of one training step.

    Attributes:
        timesteps: of the time steps.
        noise: of the noise.
        dropout: of what the network drops; differs between replicas.
    """

    timesteps: tf.Tensor
    noise: tf.Tensor
    dropout: tf.Tensor


def step_seeds(seed, step):
    """Seeds of a step.

    Args:
        seed: the run's, an int.
        step: optimizer step, an int scalar.

    Returns:
        `StepSeeds`.
    """
    seed = tf.random.experimental.stateless_fold_in(
        [seed, 0], tf.cast(step, tf.int32), _PHILOX
    )
    timesteps, noise, dropout = tf.unstack(tf.random.split(seed, 3, alg=_PHILOX))
    dropout = tf.random.split(dropout, _num_replicas(), alg=_PHILOX)[_replica()]
    return StepSeeds(timesteps, noise, dropout)


def global_batch_size(batch_size):
    """Size of the batch of all replicas, from that of one."""
    return batch_size * _num_replicas()


def share_of_replica(values, batch_size):
    """The part of a global batch's values that are this replica's.

    Args:
        values: tensor [global batch, ...].
        batch_size: of this replica.

    Returns:
        Tensor [batch_size, ...].
    """
    start = _replica() * batch_size
    return values[start : start + batch_size]


def example_seeds(seed, batch_size):
    """A seed for the noise of each of this replica's examples.

    Args:
        seed: stateless seed [2], the same on all replicas.
        batch_size: of this replica.

    Returns:
        int32 [batch_size].
    """
    seeds = tf.random.stateless_uniform(
        [global_batch_size(batch_size)], seed, None, None, tf.int32, alg=_PHILOX
    )
    return share_of_replica(seeds, batch_size)


def gather_from_replicas(values):
    """Values of the global batch, from each replica's share of it.

    Args:
        values: float tensor [batch_size], equally many on all replicas.

    Returns:
        Tensor [global batch], the same on all replicas.
    """
    batch_size = tf.shape(values)[0]
    start = _replica() * batch_size
    rest = global_batch_size(batch_size) - start - batch_size
    # A sum, because XLA knows no gathering over devices.
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tf.pad(values, [[start, rest]])
    )


def _num_replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


def _replica():
    return tf.distribute.get_replica_context().replica_id_in_sync_group
