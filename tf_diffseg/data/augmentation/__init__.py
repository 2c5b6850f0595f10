"""Random changes of a training case, as functions of the case and a stateless seed.

`augment` applies all of them; each can be used alone.
"""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "OPTIONS": "options",
        "add_noise": "intensity",
        "affine_matrix": "affine",
        "augment": "chain",
        "blur": "filters",
        "change_brightness": "intensity",
        "change_contrast": "intensity",
        "change_gamma": "intensity",
        "check_options": "options",
        "drop_channel": "intensity",
        "elastic_displacement": "elastic",
        "flip": "flipping",
        "lower_resolution": "filters",
        "resample": "resampling",
        "rotation_matrix": "affine",
    },
)
