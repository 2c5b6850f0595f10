"""Losses of a diffusion model's output."""

import math

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import mask_to_x_start
from tf_diffseg.diffusion.model_parameterization import ModelOutput
from tf_diffseg.losses.voxels import mean_over_voxels
from tf_diffseg.training.network_output import (
    network_out_to_model_out,
    split_variance,
)


class DiffusionLosses:
    """Losses [batch], functions of (mask, is_labelled, network_out, x_t, t_index).

    `mask` is the ground truth [batch, x, y, z, num_classes], `is_labelled` [batch, x,
    y, z, 1] or None if every voxel is, `network_out` and `x_t` [batch, x, y, z,
    channels], `t_index` [batch].

    Args:
        diffusion: a `GaussianDiffusion`.
        encoding: a `MaskEncoding`.

    Attributes:
        predicts_noise: whether the network predicts the noise.
    """

    def __init__(self, diffusion, encoding):
        self._diffusion = diffusion
        self._encoding = encoding
        self.predicts_noise = diffusion.model_output is ModelOutput.NOISE

    def of_logits(self, loss, mask, is_labelled, network_out, x_t, t_index):
        """`loss`, a function (mask, is_labelled, logits), of the predicted x_start."""
        del x_t, t_index
        logits, _ = split_variance(network_out, self._diffusion)
        return loss(mask, is_labelled, logits)

    def noise_error(self, mask, is_labelled, network_out, x_t, t_index):
        """Mean squared error of the noise (Ho et al. 2020, equation 14)."""
        predicted, _ = split_variance(network_out, self._diffusion)
        noise = self._diffusion.predict_noise_from_x_start(
            x_t, mask_to_x_start(mask), t_index
        )
        error = tf.square(noise - tf.cast(predicted, noise.dtype))
        return mean_over_voxels(error, is_labelled)

    def variational_bound(self, mask, is_labelled, network_out, x_t, t_index):
        """A term of the variational bound, in bits per dimension."""
        mean, variance = split_variance(network_out, self._diffusion)
        if variance is not None:
            # The bound trains only the variance: it is a noisy loss of the mean
            # (Nichol and Dhariwal 2021, section 3.1).
            network_out = tf.concat([tf.stop_gradient(mean), variance], axis=-1)
        model_out = network_out_to_model_out(
            network_out, self._diffusion, self._encoding
        )
        terms = self._diffusion.variational_terms(
            model_out, mask_to_x_start(mask), x_t, t_index
        )
        return mean_over_voxels(terms, is_labelled) / math.log(2.0)
