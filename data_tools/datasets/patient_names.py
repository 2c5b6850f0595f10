"""Recognises names of cases that look like several scans of one patient."""

import collections
import dataclasses
import re

from tf_diffseg.text import shown


@dataclasses.dataclass(frozen=True)
class _NamePattern:
    """A way of naming scans.

    Attributes:
        patient: regular expression of the part that names the patient, at the start.
        scan: regular expression of the part behind it, which names the scan.
        is_counter: whether the scan is only a number. Then names of cases that are
            numbered consecutively match too.
        is_word: whether the scan is named by a word that says so. Then a patient may
            have any number of them, such as the frames of a film.
    """

    patient: str
    scan: str
    is_counter: bool = False
    is_word: bool = False

    def group_by(self, names):
        """A regular expression whose one group matches the patient in all names."""
        strict = f"^({self.patient}){self.scan}"
        if all(re.search(strict, name) for name in names):
            return strict
        return f"^({self.patient}(?={self.scan})|.+)"


_SCAN_WORD = r"[_.-](?i:frame|phase|time|timepoint|ses|session|visit)[_.-]?\d"
_PATTERNS = (
    _NamePattern(".+?", _SCAN_WORD, is_word=True),
    _NamePattern("sub-[^_]+", "_"),
    _NamePattern(r"[^_.-]*\d", "[_.-]"),
    _NamePattern(r".*\d", "[_.-][^_.-]+$"),
    _NamePattern(r".*\d", "[_.-][^_.-]+[_.-][^_.-]+$"),
    _NamePattern(r".*\d", "[a-zA-Z]$"),
    _NamePattern(r".*[^\W\d_]", r"[_.-]\d{1,2}$", is_counter=True),
    _NamePattern(r".*\d", r"\d\d$", is_counter=True),
    _NamePattern(r".*\d", r"\d$", is_counter=True),
)
# More names with one start are not scans of one patient.
_MOST_SCANS = 10
# Share of all names that must have the pattern.
_SMALLEST_SHARE = 0.5
# Share of patients whose scans must be numbered from 0 or 1 without gaps.
_SMALLEST_COUNTED_SHARE = 0.8


def suggested_group_by(names):
    """Finds what names of cases have in common if they are scans of one patient.

    At least two patients must have several scans. A few names of another kind do not
    matter; each is then a patient of its own.

    Args:
        names: list of names of cases.

    Returns:
        A regular expression whose one group matches the patient in every name, or None.
    """
    for pattern in _PATTERNS:
        group_by = pattern.group_by(names)
        several = [scans for scans in _groups(names, group_by) if len(scans) > 1]
        if len(several) > 1 and _are_patients(pattern, names):
            return group_by
    return None


def grouping_hint(cases):
    """A note if scans of one patient seem to lie in two splits.

    Args:
        cases: list of `dataset.Case`, each with a split.

    Returns:
        List of one line of text or none.
    """
    split_of = {case.uid: case.split for case in cases}
    group_by = suggested_group_by(list(split_of))
    if group_by is None:
        return []
    several = [scans for scans in _groups(split_of, group_by) if len(scans) > 1]
    divided = [scans for scans in several if len({split_of[uid] for uid in scans}) > 1]
    if not divided:
        return []
    first, second = map(shown, divided[0][:2])
    return [
        f"names such as {first} and {second} look like scans of one patient, "
        f"and {len(divided)} of {len(several)} such groups are in two splits: "
        f"`group_by='{group_by}'` keeps a group in one, `group_by` takes any "
        "regular expression with one group, or a column"
    ]


def grouping_note(names, group_by):
    """A line that tells how `suggested_group_by` groups names."""
    groups = _groups(names, group_by)
    first, second = map(shown, next(scans for scans in groups if len(scans) > 1)[:2])
    return (
        f"names such as {first} and {second} look like scans of one patient, so the "
        f"{len(names)} cases are split as {len(groups)} groups, by "
        f"`group_by='{group_by}'`; `group_by='(.+)'` makes each case a group"
    )


def own_splits_notes(cases, groups):
    """Notes on patients of whom a split that was made elsewhere takes no account.

    Args:
        cases: list of `dataset.Case`, each with a split.
        groups: dict from uid to patient, if the data set knows them; or empty.

    Returns:
        List of one line of text or none.
    """
    split_of = {case.uid: case.split for case in cases}
    group_by = None if groups else suggested_group_by(list(split_of))
    found = _groups(split_of, group_by) if group_by else _of_each_group(groups)
    for scans in found:
        others = [uid for uid in scans if split_of[uid] != split_of[scans[0]]]
        if others:
            first, second = shown(scans[0]), shown(others[0])
            return [
                f"{first} and {second} look like scans of one patient, and are in the "
                f"splits {split_of[scans[0]]} and {split_of[others[0]]}: scores may be "
                "of patients that were trained on"
            ]
    if group_by is None:
        return []
    first, second = map(shown, next(scans for scans in found if len(scans) > 1)[:2])
    return [
        f"names such as {first} and {second} look like scans of one patient: "
        f"`group_by='{group_by}'` keeps them in one fold of a cross-validation"
    ]


def _of_each_group(groups):
    """Lists of the uids of each group."""
    uids = collections.defaultdict(list)
    for uid, group in groups.items():
        uids[group].append(uid)
    return list(uids.values())


def _groups(names, group_by):
    """Lists of the names in which the regular expression finds the same group."""
    groups = collections.defaultdict(list)
    for name in names:
        match = re.search(group_by, name)
        groups[match.group(1) if match else name].append(name)
    return list(groups.values())


def _are_patients(pattern, names):
    """Whether the names that `pattern` finds may be those of patients."""
    matches = [re.search(f"^({pattern.patient}){pattern.scan}", name) for name in names]
    scans = collections.defaultdict(list)
    for name, match in zip(names, matches, strict=True):
        if match:
            scans[match.group(1)].append(name[match.end(1) :])
    num_matched = sum(map(len, scans.values()))
    if num_matched < _SMALLEST_SHARE * len(names):
        return False
    if num_matched > _MOST_SCANS * len(scans) and not pattern.is_word:
        return False
    return not pattern.is_counter or _are_counted(names, list(scans.values()))


def _are_counted(names, scans):
    """Whether the scans of each patient are numbered from 0 or 1 without gaps.

    Cases that are numbered consecutively share their first digits too, but have numbers
    of several lengths, full decades, or gaps.

    Args:
        names: of all cases.
        scans: for each patient the last parts of names.
    """
    lengths = {len(re.search(r"\d*$", name).group()) for name in names} - {0}
    numbers = [sorted(int(scan.strip("_.-")) for scan in each) for each in scans]
    counted = sum(
        each[0] <= 1 and each == [*range(each[0], each[0] + len(each))]
        for each in numbers
    )
    return (
        len(lengths) == 1
        and max(map(len, numbers)) < _MOST_SCANS
        and counted >= _SMALLEST_COUNTED_SHARE * len(numbers)
    )
