"""Conversions of the network's output."""

import math

import tensorflow as tf

from tf_diffseg.diffusion.mask_encoding import MaskEncoding, logits_to_x_start
from tf_diffseg.diffusion.model_parameterization import ModelOutput

# A class without voxels starts as if it had one in a million.
_SMALLEST_FREQUENCY = 1e-6


def split_variance(network_out, diffusion):
    """Splits off the channels of a learned variance.

    Args:
        network_out: [batch, x, y, z, channels].
        diffusion: a `GaussianDiffusion`.

    Returns:
        (logits or noise, variance channels or None).
    """
    if not diffusion.model_variance.is_learned:
        return network_out, None
    return tf.split(network_out, 2, axis=-1)


def network_out_to_model_out(network_out, diffusion, encoding):
    """Converts the network's output to the model_out of `GaussianDiffusion`.

    Args:
        network_out: logits of x_start or noise, and the channels of a learned
            variance, [batch, x, y, z, channels].
        diffusion: a `GaussianDiffusion`.
        encoding: a `MaskEncoding`.

    Returns:
        Tensor of the same shape.
    """
    if diffusion.model_output is ModelOutput.NOISE:
        return network_out
    logits, variance = split_variance(network_out, diffusion)
    x_start = logits_to_x_start(logits, encoding)
    if variance is None:
        return x_start
    return tf.concat([x_start, tf.cast(variance, x_start.dtype)], axis=-1)


def initial_bias(class_frequencies, num_channels, encoding):
    """Bias of the last layer that makes it predict the class frequencies.

    Without it, training takes hundreds of steps to learn that most voxels are
    background (Lin et al. 2017, arXiv 1708.02002, section 3.3).

    Args:
        class_frequencies: share of voxels of each class.
        num_channels: channels of the last layer; those after the classes start at 0.
        encoding: a `MaskEncoding`.

    Returns:
        List of num_channels floats.
    """
    frequencies = [
        min(max(share, _SMALLEST_FREQUENCY), 1.0 - _SMALLEST_FREQUENCY)
        for share in class_frequencies
    ]
    if encoding is MaskEncoding.EXCLUSIVE:
        logits = [math.log(share) for share in frequencies]
        mean = sum(logits) / len(logits)
        logits = [logit - mean for logit in logits]
    else:
        logits = [math.log(share / (1.0 - share)) for share in frequencies]
    return logits + [0.0] * (num_channels - len(logits))
