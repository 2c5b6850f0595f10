"""Root mean square normalisation of each voxel over its channels."""

import keras
from keras import ops

from tf_diffseg.models.modulated_normalization import ModulatedNormalization


@keras.saving.register_keras_serializable(package="tf_diffseg")
class ChannelNormalization(ModulatedNormalization):
    """Divides the features of each voxel by their root mean square.

    RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) over the channels of a voxel,
    as the pixel norm of Karras et al. 2018 (arXiv 1710.10196), with a scale and a
    shift per channel. Unlike instance normalisation it takes nothing from other
    voxels: what a network makes of a place does not depend on how much of the volume
    it is shown at once.

    Args:
        epsilon: added to the mean square.
    """

    def call(self, inputs, condition=None):
        """Normalises `inputs` [batch, x, y, z, channels].

        Args:
            inputs: the volume's features.
            condition: [batch, units], where the layer was built with one.

        Returns:
            Features of the same shape and dtype.
        """
        # float32 sums, as the square of a feature may be beyond half precision.
        features = ops.cast(inputs, "float32")
        mean_square = ops.mean(ops.square(features), axis=-1, keepdims=True)
        scale, shift = self.scale_and_shift(condition)
        # In this order TensorFlow's optimizer leaves them, whatever it knows of shapes:
        # results are the same bit by bit.
        scale = scale * ops.rsqrt(mean_square + self.epsilon)
        return ops.cast(features * scale + shift, inputs.dtype)
