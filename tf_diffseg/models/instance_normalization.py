"""Instance normalisation that can take its scale and shift from a condition."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tf_diffseg")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each example and channel over chosen spatial axes.

    Ulyanov et al. 2016 (arXiv 1607.08022). Two things set it apart from
    `keras.layers.GroupNormalization(groups=-1)`: the axes can be chosen, so
    that a network that does not mix slices does not mix their statistics
    either; and a condition (the time embedding) can modulate scale and shift
    (Perez et al. 2018, arXiv 1709.07871) without another pass over the volume.

    Args:
        axes: the axes of [batch, x, y, z, channels] to take statistics over.
        epsilon: added to the variance.
    """

    def __init__(self, axes=(1, 2, 3), epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.axes = tuple(axes)
        self.epsilon = epsilon
        self.modulation = None

    def build(self, inputs_shape, condition_shape=None):
        """Creates the weights, with modulation if there is a `condition_shape`."""
        channels = inputs_shape[-1]
        self.gamma = self.add_weight(
            shape=(channels,), initializer="ones", name="gamma", autocast=False
        )
        self.beta = self.add_weight(
            shape=(channels,), initializer="zeros", name="beta", autocast=False
        )
        if condition_shape is not None:
            # Zero at first, so that an untrained network treats all times alike.
            self.modulation = keras.layers.Dense(
                2 * channels,
                kernel_initializer="zeros",
                dtype="float32",
                name="modulation",
            )
            self.modulation.build(condition_shape)

    def call(self, inputs, condition=None):
        """Normalises `inputs` [batch, x, y, z, channels].

        Args:
            inputs: the volume's features.
            condition: [batch, units], where the layer was built with one.

        Returns:
            Features of the same shape and dtype.
        """
        # float32 sums: half precision overflows on the square of a large volume.
        features = ops.cast(inputs, "float32")
        mean = ops.mean(features, axis=self.axes, keepdims=True)
        # The mean square less the squared mean takes one pass less over the volume
        # than the mean squared difference, and features are near zero mean.
        mean_square = ops.mean(ops.square(features), axis=self.axes, keepdims=True)
        variance = ops.maximum(mean_square - ops.square(mean), 0.0)
        scale, shift = self.gamma, self.beta
        if self.modulation is not None:
            modulation = self.modulation(condition)[:, None, None, None, :]
            factor, offset = ops.split(modulation, 2, axis=-1)
            scale, shift = scale * (1.0 + factor), shift + offset
        scale = scale * ops.rsqrt(variance + self.epsilon)
        return ops.cast(features * scale + (shift - mean * scale), inputs.dtype)

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        """Same as the input's."""
        return inputs_shape

    def get_config(self):
        """Constructor arguments."""
        return {**super().get_config(), "axes": self.axes, "epsilon": self.epsilon}
