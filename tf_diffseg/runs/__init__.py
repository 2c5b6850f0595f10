"""Runs: training, evaluation, and trained models."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "InferenceOptions": "inference_options",
        "InitError": "pretrained",
        "RunFolder": "run_folder",
        "TrainConfig": "train_config",
        "TrainedModels": "trained_models",
        "cross_validate": "folds.cross_validation",
        "evaluate_run": "evaluation",
        "find_model": "pretrained",
        "init_from": "pretrained",
        "load_pretrained": "pretrained",
        "load_segmenter": "segmentation.segmenter",
        "model_names": "pretrained",
        "recommend_config": "planning.recommendation",
        "save_to_preset": "presets",
        "train": "training",
    },
)
