"""Which case comes when: the order of the training cases, as plain arithmetic.

Epochs are made of rounds. A round takes as many cases as a batch has examples and
gives `patches_per_volume` batches, each with one patch of every case: a volume is
decoded once for all its patches, and a batch never holds two of one volume.
"""

import dataclasses

import tensorflow as tf

from tf_diffseg.data.augmentation.random_numbers import fold_in
from tf_diffseg.data.remainder import Remainder


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The order of the cases of every epoch.

    Attributes:
        num_examples: training cases.
        batch_size: examples in a batch, over all workers and replicas.
        patches_per_volume: see above.
        remainder: a `Remainder` or its value.

    Raises:
        ValueError: a number is below 1, or DROP would leave nothing.
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
        """Rounds of an epoch."""
        if self.remainder is Remainder.DROP:
            return self.num_examples // self.batch_size
        return -(-self.num_examples // self.batch_size)

    @property
    def steps_per_epoch(self):
        """Batches of an epoch."""
        return self.rounds_per_epoch * self.patches_per_volume

    def cases(self, round_index, seed):
        """The cases of a round.

        Args:
            round_index: int64 scalar, counted from the first epoch's first.
            seed: stateless seed [2] of the run.

        Returns:
            (int64 [batch_size] cases in [0, num_examples), int64 [batch_size, 2]
            stateless seeds, one for each).
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
    """Batches of an epoch of `training_dataset`.

    Args:
        num_examples: training cases.
        batch_size: examples in a batch, over all workers and replicas.
        patches_per_volume: patches of each case in an epoch.
        remainder: a `Remainder` or its value.

    Raises:
        ValueError: a number is below 1, or nothing would be left.
    """
    order = EpochOrder(num_examples, batch_size, patches_per_volume, remainder)
    return order.steps_per_epoch
