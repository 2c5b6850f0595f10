"""Instance normalisation that can take its scale and shift from a condition."""

import keras
from keras import ops

from tf_diffseg.models.modulated_normalization import ModulatedNormalization


@keras.saving.register_keras_serializable(package="tf_diffseg")
class InstanceNormalization(ModulatedNormalization):
    """Normalises each example and channel over chosen spatial axes.

    Ulyanov et al. 2016 (arXiv 1607.08022). Two things set it apart from
    `keras.layers.GroupNormalization(groups=-1)`: the axes can be chosen, so
    that a network that does not mix slices does not mix their statistics
    either; and a condition can modulate scale and shift.

    Args:
        axes: the axes of [batch, x, y, z, channels] to take statistics over.
        epsilon: added to the variance.
    """

    def __init__(self, axes=(1, 2, 3), epsilon=1e-5, **kwargs):
        super().__init__(epsilon, **kwargs)
        self.axes = tuple(axes)

    def call(self, inputs, condition=None):
        """Normalises `inputs` [batch, x, y, z, channels].

        Args:
            inputs: the volume's features.
            condition: [batch, units], where the layer was built with one.

        Returns:
            Features of the same shape and dtype.
        """
        scale, shift = self.scale_and_shift(condition)
        fused = self._fused_normalization()
        if fused is not None:
            return fused.normalize(inputs, scale, shift, self.epsilon)
        # float32 sums: half precision overflows on the square of a large volume.
        features = ops.cast(inputs, "float32")
        mean = ops.mean(features, axis=self.axes, keepdims=True)
        # The mean square less the squared mean takes one pass less over the volume
        # than the mean squared difference, and features are near zero mean.
        mean_square = ops.mean(ops.square(features), axis=self.axes, keepdims=True)
        variance = ops.maximum(mean_square - ops.square(mean), 0.0)
        scale = scale * ops.rsqrt(variance + self.epsilon)
        return ops.cast(features * scale + (shift - mean * scale), inputs.dtype)

    def _fused_normalization(self):
        """The module of a faster way to the same, or None where there is none."""
        if keras.backend.backend() != "tensorflow" or set(self.axes) != {1, 2, 3}:
            return None
        from tf_diffseg.models import fused_normalization

        return fused_normalization if fused_normalization.is_used() else None

    def get_config(self):
        """Constructor arguments."""
        return {**super().get_config(), "axes": self.axes}
