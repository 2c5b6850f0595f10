"""Residual block with two convolutions."""

import functools

import keras
from keras import ops

from tf_diffseg.models.convolutions import Conv3D
from tf_diffseg.models.dropout import Dropout, dropout_draws, next_draw
from tf_diffseg.models.norms import build_norm


@keras.saving.register_keras_serializable(package="tf_diffseg")
class ResidualBlock3D(keras.layers.Layer):
    """Leaky ReLU, convolution, norm with the time, leaky ReLU, convolution, plus input.

    A residual block (He et al. 2016, arXiv 1603.05027). The time embedding modulates
    its norm (Dhariwal and Nichol 2021, arXiv 2105.05233, section 3.1). It has one norm
    for two convolutions, as in Liu et al. 2022 (arXiv 2201.03545), and leaky ReLU: at
    full resolution on a CPU, norms and smooth activations take as long as convolutions.
    The convolutions have no bias, because norms that follow them shift.

    Args:
        channels: channels of the output; if the input has another number, a 1x1x1
            convolution changes it.
        kernel_size: size of both kernels, per axis.
        axes: axes of [batch, x, y, z, channels] that instance normalisation reduces.
        dropout: share of features dropped before the second convolution.
        remat: whether training keeps only the input of the block and computes all else
            again for the gradient (Chen et al. 2016, arXiv 1604.06174).
        norm: one of `choices.NORMS`.
    """

    def __init__(
        self,
        channels,
        kernel_size=(3, 3, 3),
        axes=(1, 2, 3),
        dropout=0.0,
        remat=False,
        norm="instance",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.kernel_size = tuple(kernel_size)
        self.axes = tuple(axes)
        self.dropout = dropout
        self.remat = remat
        self.conv_in = self._conv(kernel_size=kernel_size, name="conv_in")
        self.norm = norm
        self.norm_layer = build_norm(norm, axes, dtype=self.dtype_policy, name="norm")
        self.drop = Dropout(dropout, dtype=self.dtype_policy, name="drop")
        self.conv_out = self._conv(kernel_size=kernel_size, name="conv_out")
        self.projection = None

    def _conv(self, kernel_size, name):
        return Conv3D(
            self.channels,
            kernel_size,
            padding="same",
            use_bias=False,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, inputs_shape, time_embedding_shape=None):
        """Creates the weights of the layers inside."""
        hidden_shape = (*inputs_shape[:-1], self.channels)
        self.conv_in.build(inputs_shape)
        self.norm_layer.build(hidden_shape, time_embedding_shape)
        self.conv_out.build(hidden_shape)
        if inputs_shape[-1] != self.channels:
            self.projection = self._conv(kernel_size=1, name="projection")
            self.projection.build(inputs_shape)

    def call(self, inputs, time_embedding=None, training=None):
        """Maps [batch, x, y, z, c] to [batch, x, y, z, channels].

        `time_embedding` is [batch, units], or None in a network without time.
        """
        if self.remat and training:
            # TensorFlow's remat takes only tensors, not None.
            given = [inputs] if time_embedding is None else [inputs, time_embedding]
            return keras.remat(self._repeatable())(*given)
        return self._transform(inputs, time_embedding, training)

    def _repeatable(self):
        """`_transform` in training that drops the same features in each call."""
        if not self.dropout:
            return functools.partial(self._transform, training=True)
        # Otherwise the second call would draw the next numbers.
        draw = next_draw()
        if draw is not None:
            same_draws = functools.partial(
                dropout_draws, lambda number, shape: draw(shape)
            )
        else:
            state = self.drop.seed_generator.state
            seed = self.drop.seed_generator.next()
            same_draws = functools.partial(keras.StatelessScope, [(state, seed)])

        def transform(inputs, time_embedding=None):
            with same_draws():
                return self._transform(inputs, time_embedding, training=True)

        return transform

    def _transform(self, inputs, time_embedding=None, training=None):
        hidden = self.conv_in(ops.leaky_relu(inputs, negative_slope=0.01))
        hidden = self.norm_layer(hidden, time_embedding)
        hidden = ops.leaky_relu(hidden, negative_slope=0.01)
        hidden = self.conv_out(self.drop(hidden, training=training))
        shortcut = inputs if self.projection is None else self.projection(inputs)
        return hidden + shortcut

    def compute_output_shape(self, inputs_shape, time_embedding_shape=None):
        """The shape of the input with `channels` channels."""
        return (*inputs_shape[:-1], self.channels)

    def get_config(self):
        """Constructor arguments."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "axes": self.axes,
            "dropout": self.dropout,
            "remat": self.remat,
            "norm": self.norm,
        }
