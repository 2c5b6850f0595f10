"""What an epoch does with cases that are left over; loads no TensorFlow."""

import enum


class Remainder(enum.Enum):
    """What becomes of cases that do not fill the last batch of an epoch.

    DROP leaves them out; they are others in every epoch. PAD fills the batch with
    the first cases of the epoch, once more.
    """

    DROP = "drop"
    PAD = "pad"
