"""Which split a case belongs to: decided by its name alone.

The SHA-256 of the uid is a number between 0 and 1, the same on every machine and
whatever other cases there are, so a case never moves from train to test when a
data set grows. The price is that split sizes only come near their fractions.
"""

import hashlib
import math
import re

from data_tools.errors import InputError


def parse_split(text):
    """Reads `train=0.7,validation=0.15,test=0.15`.

    Args:
        text: value of `--split`.

    Returns:
        Dict from split name to fraction, in the order given.

    Raises:
        InputError: if a part is not name=fraction, a name comes twice, or the
            fractions do not add up to 1.
    """
    flag = f"--split={text}"
    fractions = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        name = name.strip()
        if not re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII):
            raise InputError(f"{flag}: expected name=fraction, got {part!r}")
        if name in fractions:
            raise InputError(f"{flag}: {name!r} is there twice")
        try:
            fractions[name] = float(number)
        except ValueError:
            raise InputError(
                f"{flag}: expected a fraction for {name!r}, got {number!r}"
            ) from None
        if not 0.0 < fractions[name] <= 1.0:
            raise InputError(
                f"{flag}: the fraction of {name!r} must be above 0 and at most 1"
            )
    total = math.fsum(fractions.values())
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise InputError(f"{flag}: the fractions must add up to 1, got {total:g}")
    return fractions


def split_of(uid, fractions):
    """Name of the split that the case `uid` belongs to."""
    digest = hashlib.sha256(uid.encode("utf-8")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64  # in [0, 1)
    upper = 0.0
    for name, fraction in fractions.items():
        upper += fraction
        if position < upper:
            return name
    return name  # the fractions' sum rounded to just below 1


def split_of_case(case, fractions):
    """Name of the split of a `dataset.Case`: its own, or by its name.

    None where it has none of its own and there are no fractions.
    """
    if case.split is not None or fractions is None:
        return case.split
    return split_of(case.uid, fractions)


def assign_splits(uids, fractions):
    """Divides cases among splits.

    Args:
        uids: names of the cases.
        fractions: from `parse_split`.

    Returns:
        Dict from split name to sorted uids.

    Raises:
        InputError: if a split would have no case.
    """
    splits = {name: [] for name in fractions}
    for uid in sorted(uids):
        splits[split_of(uid, fractions)].append(uid)
    empty = [name for name, members in splits.items() if not members]
    if empty:
        raise InputError(
            f"--split leaves {', '.join(map(repr, empty))} without a case "
            f"({len(uids)} cases are divided by their names): declare fewer splits, "
            "a larger fraction, or add cases"
        )
    return splits
