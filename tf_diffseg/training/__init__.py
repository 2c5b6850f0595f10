"""Training: noisy masks, the model with its train step, callbacks and fit."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Checkpointing": "checkpoints",
        "DiffusionUNet3D": "diffusion_unet_3d",
        "MetricsLog": "metrics_log",
        "Progress": "progress",
        "StopOnNaN": "stop_on_nan",
        "TrainingStrategy": "noisy_mask",
        "list_checkpoints": "checkpoints",
        "mirrored_strategy": "devices",
        "save_checkpoint": "checkpoints",
    },
)
