"""What a training step draws at random, the same on any number of devices.

Time steps, noise and dropout are drawn for the batch of all replicas and then cut, so
that an example trains on the same, however many devices share the batch.
"""

from typing import NamedTuple

import tensorflow as tf

_PHILOX = tf.random.Algorithm.PHILOX


class StepSeeds(NamedTuple):
    """Stateless seeds [2] of one training step, the same on all replicas.

    Attributes:
        timesteps: of the time steps.
        noise: of the noise.
        dropout: of what the network drops.
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
    return StepSeeds(*tf.unstack(tf.random.split(seed, 3, alg=_PHILOX)))


def example_seeds(seed, share):
    """A seed for each of this replica's examples.

    Args:
        seed: stateless seed [2], the same on all replicas.
        share: this replica's `ReplicaShare`.

    Returns:
        int32 [share.size].
    """
    return share.of(
        tf.random.stateless_uniform(
            [share.total], seed, None, None, tf.int32, alg=_PHILOX
        )
    )
