"""Choices that the code in TensorFlow takes; this module loads no TensorFlow."""

import enum


class MaskEncoding(enum.Enum):
    """How classes share a voxel.

    Attributes:
        EXCLUSIVE: each voxel has one class, which may be background; softmax.
        OVERLAPPING: a voxel may have several classes, such as the nested tumour regions
            of BraTS; sigmoid.
    """

    EXCLUSIVE = "exclusive"
    OVERLAPPING = "overlapping"

    @property
    def is_exclusive(self):
        """Whether each voxel has one class."""
        return self is MaskEncoding.EXCLUSIVE


class TimestepSampling(enum.Enum):
    """UNIFORM: all steps alike. LOSS: in proportion to the root mean square loss."""

    UNIFORM = "uniform"
    LOSS = "loss"
