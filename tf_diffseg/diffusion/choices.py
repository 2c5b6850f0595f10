"""Choices of the diffusion that stand beside code in TensorFlow; these load none."""

import enum


class MaskEncoding(enum.Enum):
    """How classes share a voxel.

    EXCLUSIVE: each voxel has one class, background among them; softmax.
    OVERLAPPING: each class is present or not by itself, as the nested tumour regions
        of BraTS are; sigmoid.
    """

    EXCLUSIVE = "exclusive"
    OVERLAPPING = "overlapping"

    @property
    def is_exclusive(self):
        """Whether each voxel has one class."""
        return self is MaskEncoding.EXCLUSIVE


class TimestepSampling(enum.Enum):
    """UNIFORM: all steps alike. LOSS: in proportion to the loss's root mean square."""

    UNIFORM = "uniform"
    LOSS = "loss"
