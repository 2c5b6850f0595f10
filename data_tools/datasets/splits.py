"""Decides the split of a case by its name, or by the name of its group.

The SHA-256 of the name gives a number between 0 and 1 that depends on nothing else, so
a case never moves from train to test when a data set grows. The price is that split
sizes are only near their fractions. If few cases would leave a split empty, `divide`
moves as few of them as possible.
"""

import dataclasses
import hashlib
import itertools


def _position(name):
    """A number in [0, 1) that depends only on the name."""
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(name, fractions):
    """Split of the case or group `name`, if no split would be empty."""
    position = _position(name)
    upper = 0.0
    for split, fraction in fractions.items():
        upper += fraction
        if position < upper:
            return split
    return split  # the fractions' sum rounded to just below 1


@dataclasses.dataclass(frozen=True)
class Division:
    """How groups are divided among splits.

    Attributes:
        split_of: dict from group to split.
        moved: groups that are not in their `split_of`, because a split would be empty.
        left_out: splits without a group.
    """

    split_of: dict[str, str]
    moved: tuple[str, ...]
    left_out: tuple[str, ...]


def divide(groups, fractions):
    """Divides groups by their names, so that no split is empty.

    * If there are fewer groups than splits, the splits with the largest fractions, of
      equal ones the first, get one group each. The others are left out.
    * An empty split then gets a group from a split that has several: the one whose
      number between 0 and 1 is nearest to the numbers of the empty split.

    Args:
        groups: names of groups or of single cases.
        fractions: dict from split name to fraction; they add up to 1.

    Returns:
        A `Division`.
    """
    groups = sorted(set(groups))
    largest = sorted(fractions, key=lambda split: -fractions[split])[: len(groups)]
    kept = {split: fractions[split] for split in fractions if split in largest}
    total = sum(kept.values())
    if len(kept) < len(fractions):
        kept = {split: fraction / total for split, fraction in kept.items()}
    sides = {group: split_of(group, kept) for group in groups}
    ends = list(itertools.accumulate(kept.values(), initial=0.0))
    for split, low, high in zip(kept, ends, ends[1:], strict=False):
        members = list(sides.values())
        if split in members:
            continue
        donors = [group for group in groups if members.count(sides[group]) > 1]
        sides[min(donors, key=lambda name: (_distance(name, low, high), name))] = split
    return Division(
        split_of=sides,
        moved=tuple(
            name for name in groups if sides[name] != split_of(name, fractions)
        ),
        left_out=tuple(split for split in fractions if split not in kept),
    )


def _distance(group, low, high):
    position = _position(group)
    return max(low - position, position - high, 0.0)
