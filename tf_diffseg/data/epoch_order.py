"""The order of the training cases.

An epoch consists of rounds. A round takes as many cases as a batch has examples and
gives `patches_per_volume` batches, each with one patch of every case. So a volume is
decoded once for all its patches, and a batch never has two patches of one volume.
"""

import dataclasses

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import fold_in
from tf_diffseg.data.remainder import Remainder


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The order of the cases of every epoch.

    Attributes:
        num_examples: number of training cases.
        batch_size: examples in a batch, over all workers and replicas.
        patches_per_volume: patches of each case in an epoch.
        remainder: a `Remainder` or its value.

    Raises:
        ValueError: a number is below 1, or DROP would leave no case.
    """

    num_examples: int
    batch_size: int
    patches_per_volume: int = 1
    remainder: Remainder = Remainder.DROP

    def __post_init__(self):
        for name in ("num_examples", "batch_size", "patches_per_volume"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}"
                )
        object.__setattr__(self, "remainder", Remainder(self.remainder))
        if not self.rounds_per_epoch:
            raise ValueError(
                f"batch_size must be at most the {self.num_examples} training cases "
                f"where the remainder is dropped, got {self.batch_size}"
            )

    @property
    def rounds_per_epoch(self):
        """Number of rounds in an epoch."""
        return self.remainder.rounds_per_epoch(self.num_examples, self.batch_size)

    @property
    def steps_per_epoch(self):
        """Number of batches in an epoch."""
        return self.rounds_per_epoch * self.patches_per_volume

    def cases(self, round_index, seed):
        """Draws the cases of a round.

        Args:
            round_index: int64 scalar; 0 is the first round of the first epoch.
            seed: stateless seed [2] of the run.

        Returns:
            (cases int64 [batch_size] in [0, num_examples), a stateless seed for each,
            int64 [batch_size, 2]).
        """
        epoch = round_index // self.rounds_per_epoch
        seed_epoch = fold_in(seed, epoch)
        order = tf.random.experimental.stateless_shuffle(
            tf.range(self.num_examples, dtype=tf.int64),
            seed_epoch,
            alg=tf.random.Algorithm.PHILOX,
        )
        first = round_index % self.rounds_per_epoch * self.batch_size
        positions = first + tf.range(self.batch_size, dtype=tf.int64)
        seeds = [fold_in(seed_epoch, place) for place in tf.unstack(positions)]
        return tf.gather(order, positions % self.num_examples), tf.stack(seeds)


def steps_per_epoch(num_examples, batch_size, patches_per_volume=1, remainder="drop"):
    """Number of batches in an epoch of `training_dataset`; see `EpochOrder`.

    Raises:
        ValueError: a number is below 1, or no case would be left.
    """
    order = EpochOrder(num_examples, batch_size, patches_per_volume, remainder)
    return order.steps_per_epoch
