"""Files that say which split each case is in.

Three kinds are recognised by their content:

* nnU-Net's `splits_final.json`: a list of folds, each `{"train": [...], "val": [...]}`;
* one such object alone, which may also have `test`;
* a data list of MONAI or of the Medical Segmentation Decathlon: an object with a list
  `training`, whose entries may have a `fold`, and perhaps `validation` and `test`.
"""

import collections
import dataclasses
import os
import re

from data_tools.datasets.problems import first_names
from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json_value, shown
from tf_diffseg.volumes.file_endings import uid_of_file

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_EXPECTED = (
    "expected nnU-Net's list of folds with train and val, or a data list with training "
    "and validation"
)


def apply_split_file(dataset, path, fold):
    """Puts each case into the split that a file says.

    Args:
        dataset: `dataset.Dataset` without splits of its own.
        path: of the file.
        fold: number of the fold to validate on, or None.

    Returns:
        A `Dataset` of all cases that the file names, also those of `other_cases`.

    Raises:
        InputError: if the file is of no kind above, names unknown cases, leaves cases
            out, has one in two splits, or has no such fold.
    """
    is_own = os.path.exists(path) and os.path.samefile(path, dataset.path)
    entries = _entries(path, fold, is_own)
    cases = {case.uid: case for case in (*dataset.other_cases, *dataset.cases)}
    aliases = {uid_of_file(case.image_paths[0]): uid for uid, case in cases.items()}
    splits_of, unknown = collections.defaultdict(set), []
    for split, name in entries:
        uid = _uid(name, cases, aliases)
        if uid is None:
            unknown.append(name)
        else:
            splits_of[uid].add(split)
    if unknown:
        raise _refusal(
            path,
            f" names {len(unknown)} case(s) that {dataset.path} does not have: "
            f"{first_names(unknown)}",
        )
    for uid, splits in sorted(splits_of.items()):
        if len(splits) != 1:
            listed = ", ".join(sorted(splits))
            raise _refusal(
                path, f": case {shown(uid)} is in the splits {listed}, expected one"
            )
    missing = sorted({case.uid for case in dataset.cases} - set(splits_of))
    if missing:
        raise _refusal(
            path,
            f" leaves out {len(missing)} of the {len(dataset.cases)} cases of "
            f"{dataset.path}: {first_names(missing)}; expected every case in one split",
        )
    # Two cases with one name are both kept here; `case_problems` reports them.
    placed = [
        dataclasses.replace(case, split=next(iter(splits_of[case.uid])))
        for case in (*dataset.cases, *dataset.other_cases)
        if case.uid in splits_of
    ]
    return dataclasses.replace(
        dataset, cases=sorted(placed, key=lambda case: case.uid), other_cases=()
    )


def _refusal(path, what):
    return InputError(f"split_file={path}{what}", argument="split_file")


def _uid(name, cases, aliases):
    """The uid of the case that a file calls `name`, or None."""
    stem = uid_of_file(name)
    without_channel = re.sub(r"_[0-9]{4}$", "", stem)
    for candidate in (name, stem, without_channel):
        if candidate in cases:
            return candidate
    return aliases.get(stem)


def _entries(path, fold, is_own):
    """List of pairs of split and name."""
    content = read_json_value(path)
    if isinstance(content, list):
        entries = _entries_of_lists(path, _fold_of_list(path, content, fold))
    elif isinstance(content, dict):
        entries = _entries_of_lists(path, content)
        entries = _with_fold(path, entries, fold)
    else:
        raise _refusal(path, f" is no list and no object, {_EXPECTED}")
    named = []
    for split, entry in entries:
        is_unlabelled = "label" not in entry if isinstance(entry, dict) else is_own
        if split == "test" and is_unlabelled:
            continue  # an image without a label cannot be scored
        named.append((split, _name(path, entry)))
    empty = {split for split, _ in entries} - {split for split, _ in named} - {"test"}
    if empty or not named:
        raise _refusal(path, f" names no case, {_EXPECTED}")
    return named


def _fold_of_list(path, folds, fold):
    if not folds or not all(isinstance(each, dict) for each in folds):
        raise _refusal(path, f" holds a list without folds, {_EXPECTED}")
    if fold is None and len(folds) > 1:
        raise _refusal(
            path,
            f" has {len(folds)} folds: choose one with `fold=0` to "
            f"`fold={len(folds) - 1}`",
        )
    if fold is not None and fold >= len(folds):
        raise InputError(
            f"fold={fold}: {path} has {len(folds)} fold(s), counted from 0",
            argument="fold",
        )
    return folds[fold or 0]


def _entries_of_lists(path, fields):
    """Pairs of split and entry from an object of lists."""
    entries = []
    for key, listed in fields.items():
        split = SPLIT_NAMES.get(str(key).lower())
        if split is not None and isinstance(listed, list):
            if not listed and split != "test":
                raise _refusal(path, f": {key!r} lists no case")
            entries += [(split, entry) for entry in listed]
    if not any(split == "train" for split, _ in entries):
        raise _refusal(path, f" has no training cases, {_EXPECTED}")
    return entries


def _with_fold(path, entries, fold):
    """Pairs of split and entry, with those of the fold in "validation"."""
    found = sorted(
        {
            str(entry["fold"])
            for split, entry in entries
            if split == "train" and isinstance(entry, dict) and "fold" in entry
        }
    )
    has_validation = any(split == "validation" for split, _ in entries)
    if fold is None:
        if found and not has_validation:
            raise _refusal(
                path,
                f" has the folds {first_names(found)}: choose the one to validate on "
                "with `fold`",
            )
        return entries
    if str(fold) not in found:
        raise InputError(
            f"fold={fold}: {path} has "
            + (
                f"the folds {first_names(found)}" if found else "no entry with a 'fold'"
            ),
            argument="fold",
        )
    placed = []
    for split, entry in entries:
        if split == "validation":
            split = "test"  # the fold takes its place
        elif split == "train" and isinstance(entry, dict):
            is_fold = str(entry.get("fold")) == str(fold)
            split = "validation" if is_fold else "train"
        placed.append((split, entry))
    return placed


def _name(path, entry):
    """Name of the case in an entry."""
    name = entry
    if isinstance(entry, dict):
        name = entry.get("image")
        name = name[0] if isinstance(name, list) and name else name
    if not isinstance(name, str):
        raise _refusal(
            path,
            f" has the entry {shown(entry)}, expected the name of a "
            "case or an object with an image",
        )
    return name
