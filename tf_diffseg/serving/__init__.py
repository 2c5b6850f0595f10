"""Serving: export to a SavedModel."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {"export_saved_model": "export", "next_version": "export"},
)
