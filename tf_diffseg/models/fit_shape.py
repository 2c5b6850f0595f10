"""Layers that fit a volume of any shape to a network and back."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tf_diffseg")
class PadToMultiple(keras.layers.Layer):
    """Pads x, y and z with zeros at their ends to multiples of given sizes.

    Args:
        multiple: sizes that divide the padded shape, per axis.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = tuple(multiple)

    def call(self, inputs):
        """Pads [batch, x, y, z, c] to a shape that `multiple` divides."""
        for axis, multiple in enumerate(self.multiple, 1):
            shape = ops.shape(inputs)
            padding = -shape[axis] % multiple
            if isinstance(padding, int) and padding == 0:
                continue
            # Not ops.pad: on a CPU, TensorFlow's graph optimizer merges it into the
            # next convolution and drops the "same" padding of that convolution (seen
            # in 2.21, with oneDNN).
            zeros_shape = (*shape[:axis], padding, *shape[axis + 1 :])
            zeros = ops.zeros(zeros_shape, dtype=inputs.dtype)
            inputs = ops.concatenate([inputs, zeros], axis=axis)
        return inputs

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
    """Crops a padded volume back to its shape before padding."""

    def call(self, inputs, reference):
        """Cuts `inputs` [batch, x', y', z', c] at the ends to `reference`'s x, y, z."""
        x, y, z = ops.shape(reference)[1:4]
        return inputs[:, :x, :y, :z, :]

    def compute_output_shape(self, inputs_shape, reference_shape):
        """The sizes of the reference with the channels of the input."""
        return (inputs_shape[0], *reference_shape[1:4], inputs_shape[4])
