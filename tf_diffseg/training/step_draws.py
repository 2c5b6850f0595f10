"""Random draws of a training step, the same on any number of devices.

Time steps, noise and dropout are drawn for the batch of all replicas and then cut, so
the draws of an example do not depend on the number of devices.
"""

from typing import NamedTuple

import tensorflow as tf

_PHILOX = tf.random.Algorithm.PHILOX


class StepSeeds(NamedTuple):
    """Stateless seeds [2] of one training step, the same on all replicas."""

    timesteps: tf.Tensor
    noise: tf.Tensor
    dropout: tf.Tensor


def step_seeds(seed, step):
    """The `StepSeeds` of an optimizer step, an int scalar, in a run with a seed."""
    seed = tf.random.experimental.stateless_fold_in(
        [seed, 0], tf.cast(step, tf.int32), _PHILOX
    )
    return StepSeeds(*tf.unstack(tf.random.split(seed, 3, alg=_PHILOX)))


def example_seeds(seed, share):
    """A seed for each of this replica's examples, int32 [share.size].

    Args:
        seed: stateless seed [2], the same on all replicas.
        share: this replica's `ReplicaShare`.
    """
    return share.of(
        tf.random.stateless_uniform(
            [share.total], seed, None, None, tf.int32, alg=_PHILOX
        )
    )
