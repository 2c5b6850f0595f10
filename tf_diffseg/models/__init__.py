"""The 3D U-Net, built only from Keras layers and ops, for every Keras backend."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ChannelNormalization": "channel_normalization",
        "InstanceNormalization": "instance_normalization",
        "ResidualBlock3D": "residual_block",
        "SelfAttention3D": "self_attention",
        "TimeEmbedding": "time_embedding",
        "UNet3D": "unet_3d",
    },
)
