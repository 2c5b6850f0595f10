"""Colours of classes, the same in every picture and page."""

_COLOURS = (
    "#4cd07d", "#ff6b6b", "#5ab4ff", "#ffd166", "#c792ea",
    "#ff9f5a", "#4dd6d0", "#f48fb1", "#b5e34d", "#9fa8ff",
)  # fmt: skip
# For voxels whose true class is not known.
IGNORED_COLOUR = "#8a8f98"


def class_colour(class_id):
    """Colour of a foreground class, as #rrggbb; colours repeat after ten classes."""
    return _COLOURS[(class_id - 1) % len(_COLOURS)]
