"""What people look at: overlays, report pages, plots and model cards."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ReportPage": "report_page",
        "sample_steps": "reverse_process",
        "save_overlay": "overlay",
    },
)
