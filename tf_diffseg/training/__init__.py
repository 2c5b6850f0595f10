"""Training: noisy masks, the model with its train step, callbacks and fit."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "DiffusionUNet3D": "diffusion_unet_3d",
        "TrainingStrategy": "noisy_mask",
    },
)
