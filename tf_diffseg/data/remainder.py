"""What happens to the last cases of an epoch. Loads no TensorFlow."""

import enum


class Remainder(enum.Enum):
    """What happens to cases that do not fill the last batch of an epoch.

    DROP leaves them out; each epoch leaves out other cases. PAD fills the batch by
    repeating the first cases of the epoch.
    """

    DROP = "drop"
    PAD = "pad"

    def rounds_per_epoch(self, num_examples, batch_size):
        """Number of batches that the cases of an epoch make, a patch of each case."""
        if self is Remainder.DROP:
            return num_examples // batch_size
        return -(-num_examples // batch_size)
