"""Splits the cases of a data set by their names, groups or a file."""

import dataclasses
import os
import re

from data_tools.datasets.patient_names import (
    grouping_hint,
    grouping_note,
    own_splits_notes,
    suggested_group_by,
)
from data_tools.datasets.problems import first_names
from data_tools.datasets.split_file import apply_split_file
from data_tools.datasets.splits import divide
from tf_diffseg.errors import InputError
from tf_diffseg.text import shown

# As `group_by`: by the names, if they look like those of several scans of patients.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class SplitRule:
    """Decides which split a case is in, if the data set does not.

    Attributes:
        fractions: dict from split to fraction; they add up to 1.
        split_file: path of a file, see `split_file`, that replaces fractions; or None.
        fold: fold of that file to validate on, or None.
        group_by: column of the data set, or regular expression with one group; cases
            for which it gives the same text are in one split. Or `AUTO`, or None.
    """

    fractions: dict[str, float] | None
    split_file: str | None = None
    fold: int | None = None
    group_by: str | None = None


def with_splits(dataset, rule):
    """Puts every case of a data set into a split.

    Args:
        dataset: `dataset.Dataset` of at least one case.
        rule: `SplitRule`.

    Returns:
        A `Dataset` with its groups, and the oddities of the splits in `split_notes`.

    Raises:
        InputError: if the rule does not fit the data set.
    """
    notes = _notes_on_unused(dataset, rule)
    if rule.split_file is not None:
        dataset = apply_split_file(dataset, rule.split_file, rule.fold)
    if rule.group_by == AUTO:
        group_by, more = _group_by_names(dataset)
        rule = dataclasses.replace(rule, group_by=group_by)
        notes += more
    groups = _groups(dataset, rule.group_by) or dataset.groups
    if not dataset.has_splits:
        group_of = groups or {case.uid: case.uid for case in dataset.cases}
        division = divide(group_of.values(), rule.fractions)
        dataset = dataclasses.replace(
            dataset,
            cases=[
                dataclasses.replace(case, split=division.split_of[group_of[case.uid]])
                for case in dataset.cases
            ],
            split_order=tuple(rule.fractions),
        )
        notes += _division_notes(division, "group" if groups else "case")
        notes += [] if groups else grouping_hint(dataset.cases)
    elif groups is dataset.groups:
        notes += own_splits_notes(dataset.cases, groups)
    else:
        _check_groups(dataset.cases, groups, rule)
    column = str(rule.group_by).lower()
    return dataclasses.replace(
        dataset,
        unused_columns=tuple(name for name in dataset.unused_columns if name != column),
        split_notes=(*dataset.split_notes, *notes),
        groups=groups,
    )


def _group_by_names(dataset):
    """`(group_by, notes)` for `AUTO`; None if nothing is to be split or grouped."""
    names = list({case.uid: None for case in dataset.cases})
    group_by = None if dataset.has_splits else suggested_group_by(names)
    return group_by, [grouping_note(names, group_by)] if group_by else []


def _notes_on_unused(dataset, rule):
    """Notes on splits that the data set offers and the rule does not use."""
    if rule.split_file is not None or dataset.has_splits:
        return []
    notes = []
    folder = os.path.dirname(os.path.abspath(dataset.path))
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if re.fullmatch(r"(?i)\.?splits?(_.*|\d*)?\.(json|pkl)", name):
            path = os.path.join(folder, name)
            how = f"`split_file={path}` uses it"
            if not name.lower().endswith(".json"):
                how = "only .json is read"
            notes.append(f"{path} is not used for the splits; {how}")
    folds = sum("fold" in dict(case.columns) for case in dataset.cases)
    if folds and dataset.path.lower().endswith(".json"):
        notes.append(
            f"{dataset.path} gives {folds} case(s) a 'fold', which is not used; "
            f"`split_file={dataset.path}` `fold=0` validates on fold 0"
        )
    if dataset.other_cases:
        notes.append(
            f"{dataset.path} lists {len(dataset.other_cases)} case(s) with a label "
            "beside those to train on, which are not used; "
            f"`split_file={dataset.path}` uses them"
        )
    return notes


def _groups(dataset, group_by):
    """Dict from uid to the name of its group, or None without `group_by`."""
    if group_by is None:
        return None
    column = group_by.lower()
    names = {name.lower() for case in dataset.cases for name, _ in case.columns}
    if column in names:
        find = _finder_by_column(column)
        what = f"has no {group_by!r}"
    else:
        find = _finder_by_pattern(group_by, names, dataset)
        what = "is not matched, nor is the path of its image"
    groups = {case.uid: find(case) for case in dataset.cases}
    without = [uid for uid, name in groups.items() if not name]
    if without:
        raise _group_error(
            group_by,
            f": the name of {len(without)} of {len(dataset.cases)} cases {what}: "
            f"{first_names(without)}",
        )
    return groups


def _group_error(group_by, what):
    return InputError(f"group_by={group_by}{what}", argument="group_by")


def _finder_by_column(column):
    return lambda case: {name.lower(): text for name, text in case.columns}.get(column)


def _finder_by_pattern(group_by, columns, dataset):
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise _group_error(group_by, f": {error}") from error
    if pattern.groups != 1:
        known = f" or a column of {', '.join(sorted(columns))}" if columns else ""
        raise _group_error(
            group_by,
            f" has {pattern.groups} groups in parentheses, expected a regular "
            f"expression with one, such as '^(.+)_[0-9]+$'{known}",
        )
    root = os.path.dirname(dataset.path)

    def find(case):
        path = os.path.relpath(case.image_paths[0], root or ".")
        match = pattern.search(case.uid) or pattern.search(path.replace(os.sep, "/"))
        return match and match.group(1)

    return find


def _check_groups(cases, groups, rule):
    """Raises InputError if a group is in two splits."""
    first_of = {}
    for case in cases:
        first = first_of.setdefault(groups[case.uid], case)
        if first.split != case.split:
            source = "the data set"
            if rule.split_file is not None:
                source = f"`split_file={rule.split_file}`"
            raise _group_error(
                rule.group_by,
                f": {source} has the group {shown(groups[case.uid])} in two splits: "
                f"case {shown(first.uid)} in {first.split}, case {shown(case.uid)} in "
                f"{case.split}",
            )


def _division_notes(division, what):
    notes = []
    if division.moved:
        moved = [
            f"{shown(name)} in {division.split_of[name]}" for name in division.moved
        ]
        notes.append(
            f"few {what}s: so that no split is empty, {len(moved)} of "
            f"{len(division.split_of)} {what}(s) are not where their names would have "
            f"them: {first_names(moved, show=str)}"
        )
    if division.left_out:
        notes.append(
            f"{len(division.split_of)} {what}(s) are too few for all splits, so there "
            f"is no {', '.join(division.left_out)}"
        )
    return notes
