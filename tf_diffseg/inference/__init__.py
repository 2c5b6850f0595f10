"""Inference: from a volume as it lies in a file to its label map."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Segmenter": "segmenter",
        "SlidingWindow": "sliding_window",
        "mean_over_samples": "sampling",
    },
)
