"""Diffusion models for 3D medical image segmentation, in TensorFlow and Keras.

A name loads its module on first use, so that importing this package costs nothing.
The sub-packages export more than is listed here.
"""

from tf_diffseg._lazy import lazy_exports
from tf_diffseg.version import __version__

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BetaSchedule": "diffusion.beta_schedule",
        "DDIMSampler": "diffusion.ddim_sampler",
        "DDPMSampler": "diffusion.ddpm_sampler",
        "DiffusionUNet3D": "training.diffusion_unet_3d",
        "GaussianDiffusion": "diffusion.gaussian_diffusion",
        "InferenceOptions": "runs.inference_options",
        "ModelOutput": "diffusion.model_parameterization",
        "ModelVariance": "diffusion.model_parameterization",
        "SegmentationUNet3D": "training.segmentation_unet_3d",
        "Segmenter": "inference.segmenter",
        "StreamingDice": "metrics.streaming_dice",
        "TimestepSampler": "diffusion.timestep_sampler",
        "TrainConfig": "runs.train_config",
        "TrainingLoss": "training.training_loss",
        "TrainingStrategy": "training.choices",
        "UNet3D": "models.unet_3d",
        "VolumePreprocessor": "preprocessing.volume_preprocessor",
        "cross_validate": "runs.folds.cross_validation",
        "evaluate_run": "runs.evaluation",
        "evaluation_dataset": "data.evaluation_pipeline",
        "export_saved_model": "serving.export",
        "init_from": "runs.pretrained",
        "load_pretrained": "runs.pretrained",
        "recommend_config": "runs.planning.recommendation",
        "load_segmenter": "runs.segmentation.segmenter",
        "presets": "runs.presets",
        "read_image": "volumes.volume_files",
        "read_volume": "volumes.volume_files",
        "save_to_preset": "runs.presets",
        "train": "runs.training",
        "training_dataset": "data.training_pipeline",
        "write_label": "volumes.result_files",
    },
)
