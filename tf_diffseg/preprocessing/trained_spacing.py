"""Voxel sizes of the training cases, and how far a scan's may be from them."""

import dataclasses

import tensorflow as tf

# Voxels that are larger or smaller than those of all training cases by more than this
# share look unlike all that the network was trained on.
_LARGEST_DEVIATION = 0.25
# Headers store spacings in float32, and exactly a quarter is still near enough.
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
        """Whether a voxel size is far from those of the training cases.

        Args:
            spacing_mm: float32 (3,) along x, y and z.

        Returns:
            bool scalar: whether the size along some axis is more than a quarter below
            the smallest or above the largest.
        """
        low = tf.constant(self.smallest_mm) * (1.0 - _LARGEST_DEVIATION - _ROUNDING)
        high = tf.constant(self.largest_mm) * (1.0 + _LARGEST_DEVIATION + _ROUNDING)
        return tf.reduce_any((spacing_mm < low) | (spacing_mm > high))
