"""Closed choices of preprocessing; loads no TensorFlow."""

import enum


class Intensity(enum.Enum):
    """How the intensities of a channel are scaled.

    Attributes:
        ZSCORE: mean 0 and standard deviation 1.
        PERCENTILE: clipped to the 0.5 and 99.5 percentiles, which become -1 and 1; if
            these are equal, the smallest and the largest value replace them.
        CT_WINDOW: clipped to a window in Hounsfield units, which becomes -1 to 1.
        NONE: not changed.
    """

    ZSCORE = "zscore"
    PERCENTILE = "percentile"
    CT_WINDOW = "ct_window"
    NONE = "none"
