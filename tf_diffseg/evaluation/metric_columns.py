"""The metrics of an evaluation, in the order of its tables."""

import dataclasses

TOLERANCES_MM = (1.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric as tables show it.

    Attributes:
        key: column in metrics.csv.
        title: name for people.
        unit: unit of the values, or "".
        digits: digits after the point.
        better: which values are best: "higher", "lower" or "zero".
    """

    key: str
    title: str
    unit: str
    digits: int
    better: str

    @property
    def title_with_unit(self):
        """Heading of a table."""
        return f"{self.title} {self.unit}".rstrip()


METRICS = (
    Metric("dice", "Dice", "", 3, "higher"),
    Metric("iou", "IoU", "", 3, "higher"),
    Metric("precision", "Precision", "", 3, "higher"),
    Metric("recall", "Recall", "", 3, "higher"),
    Metric("hd95_mm", "HD95", "mm", 2, "lower"),
    Metric("hd_mm", "HD", "mm", 2, "lower"),
    Metric("assd_mm", "ASSD", "mm", 2, "lower"),
    *(
        Metric(f"surface_dice_{mm:g}mm", f"Surface Dice {mm:g} mm", "", 3, "higher")
        for mm in TOLERANCES_MM
    ),
    Metric("centroid_distance_mm", "Centroid distance", "mm", 2, "lower"),
    Metric("true_volume_ml", "True volume", "ml", 2, "zero"),
    Metric("predicted_volume_ml", "Predicted volume", "ml", 2, "zero"),
    Metric("volume_error_ml", "Volume error", "ml", 2, "zero"),
    Metric("relative_volume_error", "Relative volume error", "", 3, "zero"),
    Metric("ece", "Calibration error", "", 3, "lower"),
)


def metric_values(scores):
    """The metrics of a case.

    Args:
        scores: `CaseScores`.

    Returns:
        Dict from the keys of `METRICS` to arrays [num_classes].
    """
    values = {}
    for metric in METRICS:
        if not metric.key.startswith("surface_dice"):
            values[metric.key] = getattr(scores.metrics, metric.key)
    for mm, share in zip(TOLERANCES_MM, scores.metrics.surface_dice, strict=True):
        values[f"surface_dice_{mm:g}mm"] = share
    return values
