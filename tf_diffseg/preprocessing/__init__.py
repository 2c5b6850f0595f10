"""One volume's way to the network and back, in TensorFlow operations."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "FittedPreprocessor": "fitted_preprocessor",
        "Intensity": "choices",
        "PreprocessedVolume": "volume_preprocessor",
        "SourceGrid": "source_grid",
        "TrainedSpacing": "trained_spacing",
        "VolumePreprocessor": "volume_preprocessor",
    },
)
