"""Files that say which split each case is in.

Three kinds are read, by their content:

* nnU-Net's `splits_final.json`: a list of folds, `{"train": [...], "val": [...]}` each;
* one such object alone, with `test` if you like;
* a data list of MONAI or of the Medical Segmentation Decathlon: an object with a list
  `training`, whose entries may have a `fold`, and perhaps `validation` and `test`.
"""

import collections
import dataclasses
import os
import re

from tf_diffseg.errors import InputError
from tf_diffseg.text import read_json_value, shown
from tf_diffseg.volumes.file_endings import uid_of_file

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_MOST_TOLD = 5


def apply_split_file(dataset, path, fold):
    """Puts each case into the split that a file says.

    Args:
        dataset: `dataset.Dataset` without splits of its own.
        path: of the file.
        fold: number of the fold to validate on, or None.

    Returns:
        A `Dataset` of all cases that the file names, those of `other_cases` too.

    Raises:
        InputError: if the file is not as above, names cases that there are not, leaves
            cases out or has one in two splits, or if it does not fit `fold`.
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
            f"{_list(unknown)}",
        )
    for uid, splits in sorted(splits_of.items()):
        if len(splits) != 1:
            raise _refusal(
                path,
                f": case {shown(uid)} is in the splits "
                f"{', '.join(sorted(splits))}, expected one",
            )
    missing = sorted({case.uid for case in dataset.cases} - set(splits_of))
    if missing:
        raise _refusal(
            path,
            f" leaves out {len(missing)} of the {len(dataset.cases)} cases of "
            f"{dataset.path}: {_list(missing)}; expected every case in one split",
        )
    # Of two cases with one name both are kept: that is told of when cases are checked.
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


def _list(names):
    more = len(names) - _MOST_TOLD
    told = ", ".join(map(shown, names[:_MOST_TOLD]))
    return f"{told} and {more} more" if more > 0 else told


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
        chosen = _fold_of_list(path, content, fold)
        entries = _lists(path, chosen)
    elif isinstance(content, dict):
        entries = _lists(path, content)
        entries = _folds_of_entries(path, entries, fold)
    else:
        raise _refusal(path, f" is no list and no object, {_EXPECTED}")
    named = []
    for split, entry in entries:
        is_unlabelled = "label" not in entry if isinstance(entry, dict) else is_own
        if split == "test" and is_unlabelled:
            continue  # an image to predict, not to score
        named.append((split, _name(path, entry)))
    empty = {split for split, _ in entries} - {split for split, _ in named} - {"test"}
    if empty or not named:
        raise _refusal(path, f" names no case, {_EXPECTED}")
    return named


_EXPECTED = (
    "expected nnU-Net's list of folds with train and val, or a data list with training "
    "and validation"
)


def _fold_of_list(path, folds, fold):
    if not folds or not all(isinstance(of, dict) for of in folds):
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


def _lists(path, fields):
    """Pairs of split and entry of an object of lists."""
    entries = []
    for key, listed in fields.items():
        split = _SPLIT_NAMES.get(str(key).lower())
        if split is not None and isinstance(listed, list):
            if not listed and split != "test":
                raise _refusal(path, f": {key!r} lists no case")
            entries += [(split, entry) for entry in listed]
    if not any(split == "train" for split, _ in entries):
        raise _refusal(path, f" has no training cases, {_EXPECTED}")
    return entries


def _folds_of_entries(path, entries, fold):
    """Entries with their splits by the key `fold`, where there is one."""
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
                f" has the folds {_list(found)}: choose the one to "
                "validate on with `fold`",
            )
        return entries
    if str(fold) not in found:
        raise InputError(
            f"fold={fold}: {path} has "
            + (f"the folds {_list(found)}" if found else "no entry with a 'fold'"),
            argument="fold",
        )
    placed = []
    for split, entry in entries:
        if split == "train" and isinstance(entry, dict):
            is_fold = str(entry.get("fold")) == str(fold)
            placed.append(("validation" if is_fold else "train", entry))
        else:  # neither trained on nor chosen by
            placed.append(("test" if split == "validation" else split, entry))
    return placed


def _name(path, entry):
    """What an entry calls its case."""
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
