"""Voxel sizes that a model was trained on, and how far from them a scan may be."""

import dataclasses

import tensorflow as tf

# A scan of voxels larger or smaller than any that was trained on, by more than this
# share, does not look to a network like what it knows.
_LARGEST_DEVIATION = 0.25
# Headers store spacings in float32: a quarter more is still a quarter more.
_ROUNDING = 1e-4


@dataclasses.dataclass(frozen=True)
class TrainedSpacing:
    """Voxel sizes over the training cases, each (x, y, z) in mm, in RAS+.

    Attributes:
        smallest_mm: along each axis.
        median_mm: along each axis.
        largest_mm: along each axis.

    Raises:
        ValueError: if they are not three positive numbers each, in this order.
    """

    smallest_mm: tuple[float, ...]
    median_mm: tuple[float, ...]
    largest_mm: tuple[float, ...]

    def __post_init__(self):
        for field in dataclasses.fields(self):
            values = tuple(float(value) for value in getattr(self, field.name))
            object.__setattr__(self, field.name, values)
            if len(values) != 3:
                raise ValueError(f"{field.name} must be 3 numbers, got {values}")
        axes = zip(self.smallest_mm, self.median_mm, self.largest_mm, strict=True)
        if not all(0 < low <= middle <= high for low, middle, high in axes):
            raise ValueError(
                "expected 0 < smallest_mm <= median_mm <= largest_mm along every axis, "
                f"got {self.smallest_mm}, {self.median_mm}, {self.largest_mm}"
            )

    def is_outside(self, spacing_mm):
        """Whether a voxel size is none that was trained on, nor near one.

        Args:
            spacing_mm: float32 (3,) along x, y and z.

        Returns:
            bool scalar: on some axis it is more than a quarter below the smallest or
            above the largest.
        """
        low = tf.constant(self.smallest_mm) * (1.0 - _LARGEST_DEVIATION - _ROUNDING)
        high = tf.constant(self.largest_mm) * (1.0 + _LARGEST_DEVIATION + _ROUNDING)
        return tf.reduce_any((spacing_mm < low) | (spacing_mm > high))
