"""The grid of a volume's file, to which results are brought back."""

import typing

import tensorflow as tf

from tf_diffseg.preprocessing.foreground import WHOLE_BOX


class SourceGrid(typing.NamedTuple):
    """The grid of a file, and the part of it that was preprocessed.

    As a tuple of tensors it can go in and out of `tf.function`, `tf.cond` and
    `tf.data`. An input signature takes a `SourceGrid` of `tf.TensorSpec`s.

    Attributes:
        shape: int (3,), spatial shape of the file.
        affine: float (4, 4), of the file, voxel to world.
        crop_box: int (2, 3), first voxel and size of the part in RAS+, see
            `foreground`; None if nothing was cropped.
    """

    shape: tf.Tensor
    affine: tf.Tensor
    crop_box: tf.Tensor | None = None

    @classmethod
    def of_example(cls, example):
        """The `SourceGrid` of a case from `parse_example`."""
        return cls(
            example["source_shape"], example["source_affine"], example["crop_box"]
        )

    def box(self, is_cropped):
        """`crop_box`, or a box around everything if there is none.

        Args:
            is_cropped: whether the image was cropped.

        Raises:
            ValueError: if it was cropped, and there is no box.
        """
        if self.crop_box is not None:
            return self.crop_box
        if is_cropped:
            raise ValueError(
                "crop_box must be given if crop_to_foreground is on: the label "
                "and the way back follow the image's box"
            )
        return tf.constant(WHOLE_BOX)
