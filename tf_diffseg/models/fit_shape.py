"""Layers that fit a volume of any shape to a network and back."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tf_diffseg")
class PadToMultiple(keras.layers.Layer):
    """Pads x, y and z with zeros at their ends up to multiples of given sizes.

    Args:
        multiple: sizes that the padded shape divides by, per axis.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = tuple(multiple)

    def call(self, inputs):
        """Maps [batch, x, y, z, c] to a shape that `multiple` divides."""
        sizes = ops.shape(inputs)[1:4]
        padding = [(-size) % m for size, m in zip(sizes, self.multiple, strict=True)]
        if all(isinstance(p, int) and p == 0 for p in padding):
            return inputs
        return ops.pad(inputs, [[0, 0], *([0, p] for p in padding), [0, 0]])

    def compute_output_shape(self, input_shape):
        """Sizes rounded up; unknown ones stay unknown."""
        spatial = (
            None if size is None else -(-size // m) * m
            for size, m in zip(input_shape[1:4], self.multiple, strict=True)
        )
        return (input_shape[0], *spatial, input_shape[4])

    def get_config(self):
        """Constructor arguments."""
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="tf_diffseg")
class CropLike(keras.layers.Layer):
    """Crops a padded volume back to the shape it was padded from."""

    def call(self, inputs, reference):
        """Cuts `inputs` [batch, x', y', z', c] at the ends to `reference`'s x, y, z."""
        x, y, z = ops.shape(reference)[1:4]
        return inputs[:, :x, :y, :z, :]

    def compute_output_shape(self, inputs_shape, reference_shape):
        """The reference's sizes, the input's channels."""
        return (inputs_shape[0], *reference_shape[1:4], inputs_shape[4])
