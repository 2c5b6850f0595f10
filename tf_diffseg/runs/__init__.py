"""Trained models, wherever they lie: run folders, files, exports, names."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "InitError": "pretrained",
        "find_model": "shipped_models",
        "init_from": "pretrained",
        "load_pretrained": "pretrained",
        "model_names": "shipped_models",
    },
)
