"""Convolutions that compute small volumes in float32.

On CPUs with AVX512_BF16 and without AMX, TensorFlow 2.21 convolves volumes of bfloat16
with one or two voxels along an axis wrongly: outputs and gradients of kernels hold what
happened to be in the memory. Such volumes are small, so float32 costs nothing there.

The classes have the names of those of Keras, which files of weights contain.
"""

import keras
from keras import ops

_FEWEST_VOXELS = 3


def _wants_float32(volume):
    """Whether a volume [batch, x, y, z, channels] is of bfloat16, and small."""
    is_small = any(
        size is not None and size < _FEWEST_VOXELS for size in volume.shape[1:4]
    )
    return is_small and keras.backend.standardize_dtype(volume.dtype) == "bfloat16"


@keras.saving.register_keras_serializable(package="tf_diffseg")
class Conv3D(keras.layers.Conv3D):
    """`keras.layers.Conv3D` that computes small volumes in float32."""

    def convolution_op(self, inputs, kernel):
        """Convolves without bias and activation; the output has the inputs' dtype."""
        if not _wants_float32(inputs):
            return super().convolution_op(inputs, kernel)
        exact = (ops.cast(each, "float32") for each in (inputs, kernel))
        return ops.cast(super().convolution_op(*exact), inputs.dtype)


@keras.saving.register_keras_serializable(package="tf_diffseg")
class Conv3DTranspose(keras.layers.Conv3DTranspose):
    """`keras.layers.Conv3DTranspose` without bias, small volumes in float32."""

    def call(self, inputs):
        """As in Keras; the output has the inputs' dtype."""
        if not _wants_float32(inputs):
            return super().call(inputs)
        outputs = ops.conv_transpose(
            ops.cast(inputs, "float32"),
            ops.cast(self.kernel, "float32"),
            strides=list(self.strides),
            padding=self.padding,
        )
        return ops.cast(outputs, inputs.dtype)
