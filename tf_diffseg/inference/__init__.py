"""Inference: from the volume of a file to its label map."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "PostProcessing": "postprocessing",
        "Prediction": "segmenter",
        "Segmenter": "segmenter",
        "SlidingWindow": "sliding_window",
        "ensemble_mean": "sampling",
        "flipped_mean": "sampling",
        "sample_seeds": "sampling",
        "sum_over_samples": "sampling",
        "steps_last": "sampling",
    },
)
