"""Training: noisy masks, the model with its train step, callbacks and fit."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "AveragedWeights": "averaged_weights",
        "Checkpointing": "checkpointing",
        "DiffusionUNet3D": "diffusion_unet_3d",
        "EarlyStopping": "early_stopping",
        "InitialWeights": "initial_weights",
        "KernelDecayAdamW": "optimizer",
        "MetricsLog": "metrics_log",
        "Place": "checkpoints",
        "Progress": "progress",
        "Schedule": "optimizer",
        "SegmentationImages": "segmentation_images",
        "StopOnNaN": "stop_on_nan",
        "TrainingBoard": "training_board",
        "TrainingStopped": "checkpointing",
        "TrainingStrategy": "noisy_mask",
        "WorkerLost": "multi_worker",
        "freeze_layers": "frozen_layers",
        "gain_so_far": "early_stopping",
        "learning_rate_schedule": "optimizer",
        "list_checkpoints": "checkpoints",
        "load_trained_model": "checkpoints",
        "mirrored_strategy": "devices",
        "restore": "checkpointing",
        "save_checkpoint": "checkpoints",
        "training_callbacks": "fit",
        "training_strategy": "devices",
    },
)
