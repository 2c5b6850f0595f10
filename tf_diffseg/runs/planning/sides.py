"""Whether the two sides of the body are different classes."""

import re

_SIDES = {"left", "right", "l", "r", "lh", "rh"}


def class_of_one_side(class_names):
    """The first class name that tells a side, such as "left kidney" or "kidney_R".

    Args:
        class_names: names of the classes.

    Returns:
        The name, or None.
    """
    for name in class_names:
        words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
        # A digit is part of a word: the vertebra L5 is on no side.
        if _SIDES & set(re.split(r"[^a-z0-9]+", words)):
            return name
    return None
