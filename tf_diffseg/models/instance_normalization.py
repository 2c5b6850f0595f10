"""Instance normalisation that can take its scale and shift from a condition."""

import keras
from keras import ops

from tf_diffseg.models.modulated_normalization import ModulatedNormalization


@keras.saving.register_keras_serializable(package="tf_diffseg")
class InstanceNormalization(ModulatedNormalization):
    """Normalises each example and channel over chosen spatial axes.

    Ulyanov et al. 2016 (arXiv 1607.08022). It differs from
    `keras.layers.GroupNormalization(groups=-1)` in two ways: the axes can be chosen, so
    that a network that keeps slices apart keeps their statistics apart; and a condition
    can modulate scale and shift.

    Args:
        axes: the axes of [batch, x, y, z, channels] to take statistics over.
        epsilon: added to the variance.
    """

    def __init__(self, axes=(1, 2, 3), epsilon=1e-5, **kwargs):
        super().__init__(epsilon, **kwargs)
        self.axes = tuple(axes)

    def call(self, inputs, condition=None):
        """Normalises `inputs` [batch, x, y, z, channels]; keeps their shape and dtype.

        `condition` is [batch, units] if the layer was built with one, otherwise None.
        """
        scale, shift = self.scale_and_shift(condition)
        fused = self._fused_normalization()
        if fused is not None:
            return fused.normalize(inputs, scale, shift, self.epsilon)
        # float32, since sums of squares over a large volume exceed half precision.
        features = ops.cast(inputs, "float32")
        mean = ops.mean(features, axis=self.axes, keepdims=True)
        # The mean square minus the squared mean needs one pass less over the volume
        # than the mean squared difference. It is precise, as means are near zero.
        mean_square = ops.mean(ops.square(features), axis=self.axes, keepdims=True)
        variance = ops.maximum(mean_square - ops.square(mean), 0.0)
        scale = scale * ops.rsqrt(variance + self.epsilon)
        return ops.cast(features * scale + (shift - mean * scale), inputs.dtype)

    def _fused_normalization(self):
        """The module `fused_normalization` if it can be used and is faster, or None."""
        if keras.backend.backend() != "tensorflow" or set(self.axes) != {1, 2, 3}:
            return None
        from tf_diffseg.models import fused_normalization

        return fused_normalization if fused_normalization.is_used() else None

    def get_config(self):
        """Constructor arguments."""
        return {**super().get_config(), "axes": self.axes}
