"""Segmentation metrics: Dice of volumes and streams, surface distances in mm."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ClassDice": "dice",
        "ClassSurfaceMetrics": "surface_distance",
        "StreamingDice": "streaming_dice",
        "SurfaceDistances": "surface_distance",
        "dice_score": "dice",
        "dice_score_from_masks": "dice",
        "surface_distances": "surface_distance",
        "surface_metrics": "surface_distance",
    },
)
