"""Whether the two sides of the body are different classes."""

import re

_SIDES = {"left", "right", "l", "r", "lt", "rt", "lh", "rh"}
# "leftLung" and "LKidney", but not the abbreviations "LV" and "RV".
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What classes are called whose names nobody gave.
_NUMBERED = re.compile(r"class_\d+")


def class_of_one_side(class_names):
    """The first class name that tells a side, such as "left kidney" or "kidney_R".

    Args:
        class_names: names of the classes.

    Returns:
        The name, or None.
    """
    for name in class_names:
        words = _WORDS.sub(" ", name).lower()
        # A digit is part of a word: the vertebra L5 is on no side.
        if _SIDES & set(re.split(r"[^a-z0-9]+", words)):
            return name
    return None


def are_unnamed(class_names):
    """Whether there are several classes of which no name tells what they are."""
    return len(class_names) > 1 and all(map(_NUMBERED.fullmatch, class_names))
