"""Norm layers by name."""

from tf_diffseg.models.channel_normalization import ChannelNormalization
from tf_diffseg.models.choices import NORMS
from tf_diffseg.models.instance_normalization import InstanceNormalization


def build_norm(norm, axes, **kwargs):
    """A norm layer.

    Args:
        norm: one of `choices.NORMS`.
        axes: axes of [batch, x, y, z, channels] of instance normalisation.
        **kwargs: name and dtype.

    Returns:
        A layer that takes features and a condition.

    Raises:
        ValueError: if there is no such norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
    if norm == "instance":
        return InstanceNormalization(axes, **kwargs)
    return ChannelNormalization(**kwargs)
