"""Axes along which a mirror image is still a valid case."""

import re

# RAS+: x is left and right, y posterior and anterior, z inferior and superior.
_SIDES = {
    "x": ("left", "right", "l", "r", "lh", "rh"),
    "y": ("anterior", "posterior", "ant", "post", "front", "back", "dorsal", "ventral"),
    "z": ("superior", "inferior", "upper", "lower", "sup", "inf", "top", "bottom"),
}


def named_sides(class_names):
    """Axes whose two sides are different classes.

    Args:
        class_names: names of the classes, such as "left kidney" or "kidney_R".

    Returns:
        Dict from an axis of "xyz" to a class name that tells a side along it.
    """
    found = {}
    for name in class_names:
        words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
        for axis, sides in _SIDES.items():
            if set(re.split(r"[^a-z]+", words)) & set(sides):
                found.setdefault(axis, name)
    return found
