"""Training: noisy masks, the model with its train step, callbacks and fit."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "AveragedWeights": "saving.averaged_weights",
        "Checkpointing": "saving.checkpointing",
        "DiffusionUNet3D": "diffusion_unet_3d",
        "EarlyStopping": "callbacks.early_stopping",
        "InitialWeights": "saving.initial_weights",
        "KernelDecayAdamW": "optimizer",
        "MetricsLog": "callbacks.metrics_log",
        "Place": "saving.checkpoints",
        "Progress": "callbacks.progress",
        "Schedule": "choices",
        "SegmentationImages": "callbacks.segmentation_images",
        "SegmentationUNet3D": "segmentation_unet_3d",
        "StopOnNaN": "callbacks.stop_on_nan",
        "TrainingBoard": "callbacks.training_board",
        "TrainingLoss": "training_loss",
        "TrainingStopped": "interruptions",
        "TrainingStrategy": "choices",
        "WorkerLost": "interruptions",
        "freeze_layers": "saving.frozen_layers",
        "gain_so_far": "callbacks.early_stopping",
        "learning_rate_schedule": "optimizer",
        "list_checkpoints": "saving.checkpoints",
        "load_trained_model": "saving.trained_model",
        "mirrored_strategy": "distribution.devices",
        "restore": "saving.checkpointing",
        "save_checkpoint": "saving.checkpoints",
        "training_callbacks": "fit",
        "training_strategy": "distribution.devices",
    },
)
