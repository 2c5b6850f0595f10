"""Root mean square normalisation of each voxel over its channels."""

import keras
from keras import ops

from tf_diffseg.models.modulated_normalization import ModulatedNormalization


@keras.saving.register_keras_serializable(package="tf_diffseg")
class ChannelNormalization(ModulatedNormalization):
    """Divides the features of each voxel by their root mean square.

    RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) over the channels of a voxel,
    like the pixel norm of Karras et al. 2018 (arXiv 1710.10196), with a scale and a
    shift per channel. Unlike instance normalisation it uses no other voxels, so the
    features of a place do not depend on how much of the volume the network sees.

    Args:
        epsilon: added to the mean square.
    """

    def call(self, inputs, condition=None):
        """Normalises `inputs` [batch, x, y, z, channels]; keeps their shape and dtype.

        `condition` is [batch, units] if the layer was built with one, otherwise None.
        """
        # float32, since the square of a feature may exceed half precision.
        features = ops.cast(inputs, "float32")
        mean_square = ops.mean(ops.square(features), axis=-1, keepdims=True)
        scale, shift = self.scale_and_shift(condition)
        # TensorFlow's graph optimizer keeps this order of operations for all shapes, so
        # results are the same bit by bit.
        scale = scale * ops.rsqrt(mean_square + self.epsilon)
        return ops.cast(features * scale + shift, inputs.dtype)
