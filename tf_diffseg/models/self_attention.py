"""Self-attention over the voxels of a feature volume."""

import math

import keras
from keras import ops

from tf_diffseg.models.chunked_attention import ChunkedAttention
from tf_diffseg.models.norms import build_norm


@keras.saving.register_keras_serializable(package="tf_diffseg")
class SelfAttention3D(keras.layers.Layer):
    """Residual multi-head self-attention (Vaswani et al. 2017, arXiv 1706.03762).

    Its memory grows with the number of voxels, not with the square of it, even if
    training keeps all else; see `chunked_attention`.

    Args:
        num_heads: number of attention heads; must divide the number of channels.
        axes: axes of [batch, x, y, z, channels] along which voxels are mixed; along the
            other axes (such as slices of a slice-wise network) they are not.
        remat: whether training keeps only the input and computes all else again for the
            gradient.
        norm: one of `choices.NORMS`.
    """

    def __init__(
        self, num_heads, axes=(1, 2, 3), remat=False, norm="instance", **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.axes = tuple(axes)
        self.remat = remat
        self.norm = norm
        self.norm_layer = build_norm(norm, axes, dtype=self.dtype_policy, name="norm")
        self.attention = None

    def build(self, input_shape):
        """Creates the weights.

        Raises:
            ValueError: if `num_heads` does not divide the number of channels.
        """
        channels = input_shape[-1]
        if channels % self.num_heads:
            raise ValueError(
                f"num_heads={self.num_heads} does not divide the {channels} channels"
            )
        self.norm_layer.build(input_shape)
        self.attention = ChunkedAttention(
            self.num_heads,
            key_dim=channels // self.num_heads,
            dtype=self.dtype_policy,
            name="attention",
        )
        tokens_shape = (None, None, channels)
        self.attention.build(tokens_shape, tokens_shape)

    def call(self, inputs, training=None):
        """Maps [batch, x, y, z, channels] to the same shape."""
        if self.remat and training:
            return keras.remat(self._attend)(inputs)
        return self._attend(inputs)

    def _attend(self, inputs):
        unmixed = [axis for axis in (1, 2, 3) if axis not in self.axes]
        order = (0, *unmixed, *self.axes, 4)
        features = ops.transpose(self.norm_layer(inputs), order)
        shape = ops.shape(features)
        num_tokens = math.prod(shape[1 + len(unmixed) : 4])
        tokens = ops.reshape(features, (-1, num_tokens, inputs.shape[-1]))
        mixed = ops.reshape(self.attention(tokens, tokens), shape)
        inverse = [order.index(axis) for axis in range(5)]
        return inputs + ops.transpose(mixed, inverse)

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

    def get_config(self):
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "axes": self.axes,
            "remat": self.remat,
            "norm": self.norm,
        }
