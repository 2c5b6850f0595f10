"""Embedding of the diffusion time."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tf_diffseg")
class TimeEmbedding(keras.layers.Layer):
    """Sinusoids of the time, then two dense layers.

    The sinusoids are those of Vaswani et al. 2017 (arXiv 1706.03762, section 3.5).
    Ho et al. 2020 use them for the diffusion time.

    Args:
        units: size of the embedding, an even number.
        max_period: longest period of the sinusoids, in units of `time_scale`.
        time_scale: factor of the time, so that times in (0, 1] spread over the
            sinusoids like integer steps.

    Raises:
        ValueError: if `units` is odd.
    """

    def __init__(self, units, max_period=10_000.0, time_scale=1_000.0, **kwargs):
        # No cast of t to half precision, which cannot hold the times of 1001 steps.
        super().__init__(autocast=False, **kwargs)
        if units % 2:
            raise ValueError(f"units must be even, got {units}")
        self.units = units
        self.max_period = max_period
        self.time_scale = time_scale
        self.hidden = keras.layers.Dense(
            units, activation="silu", dtype=self.dtype_policy, name="hidden"
        )
        self.output_dense = keras.layers.Dense(
            units, dtype=self.dtype_policy, name="output"
        )

    def build(self, input_shape):
        """Creates the dense layers' weights; `input_shape` is (batch,)."""
        self.hidden.build((input_shape[0], self.units))
        self.output_dense.build((input_shape[0], self.units))

    def call(self, t):
        """Embeds times `t` of shape [batch] as [batch, units]."""
        half = self.units // 2
        exponents = ops.arange(half, dtype="float32") / half
        frequencies = ops.exp(-math.log(self.max_period) * exponents)
        # float32 for every compute dtype: half precision cannot tell the phases of
        # neighbouring times apart.
        angles = self.time_scale * ops.cast(t, "float32")[:, None] * frequencies
        sinusoids = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return self.output_dense(self.hidden(ops.cast(sinusoids, self.compute_dtype)))

    def compute_output_shape(self, input_shape):
        """(batch,) to (batch, units)."""
        return (input_shape[0], self.units)

    def get_config(self):
        """Constructor arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "max_period": self.max_period,
            "time_scale": self.time_scale,
        }
