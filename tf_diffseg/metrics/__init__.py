"""Segmentation metrics: of a case, overlap, distances in mm and calibration."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "CaseMetrics": "per_class",
        "ClassDice": "dice",
        "ClassSurfaceMetrics": "surface_distance",
        "GroupedMean": "grouped_mean",
        "StreamingDice": "streaming_dice",
        "StreamingDiceByStep": "streaming_dice_by_step",
        "SurfaceDistances": "surface_distance",
        "case_metrics": "per_class",
        "dice_score": "dice",
        "region_mask": "dice",
        "dice_score_from_masks": "dice",
        "expected_calibration_error": "calibration",
        "only_known": "per_class",
        "surface_distances": "surface_distance",
        "surface_metrics": "surface_distance",
        "voxel_ml": "per_class",
    },
)
