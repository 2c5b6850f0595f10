"""Medical files: what is written over a scan."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "image_like": "result_image",
        "nifti_like": "result_image",
        "nifti_of": "result_image",
        "smallest_type": "result_image",
    },
)
