"""The base of the norms: a scale and shift that a condition can modulate."""

import keras
from keras import ops


class ModulatedNormalization(keras.layers.Layer):
    """Base of the norms, with a scale and shift per channel.

    A condition, the time embedding, modulates scale and shift without another pass over
    the volume (Perez et al. 2018, arXiv 1709.07871).

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
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
            # Zeros, so that an untrained network treats all times alike.
            self.modulation = keras.layers.Dense(
                2 * channels,
                kernel_initializer="zeros",
                dtype="float32",
                name="modulation",
            )
            self.modulation.build(condition_shape)

    def scale_and_shift(self, condition):
        """Scale and shift, float32, which broadcast to [batch, x, y, z, channels]."""
        if self.modulation is None:
            return self.gamma, self.beta
        modulation = self.modulation(condition)[:, None, None, None, :]
        factor, offset = ops.split(modulation, 2, axis=-1)
        return self.gamma * (1.0 + factor), self.beta + offset

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        """The shape of the input."""
        return inputs_shape

    def get_config(self):
        """Constructor arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}
