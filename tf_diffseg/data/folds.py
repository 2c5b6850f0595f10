"""Divides the cases of converted shards into folds, for cross-validation.

Cases of one group, such as the scans of a patient, stay together, and folds differ by
one group at most. A group's name gives it an order of preference over the folds (hashes
of fold and name, "rendezvous hashing"), and the groups choose in the order of a hash of
their names. The first choice of most groups has room, and does not depend on the other
groups. The price of equal folds is that some groups get a later choice: a group that
comes to the data may move up to `num_folds` - 1 others.
"""

import dataclasses
import hashlib

import numpy as np

from tf_diffseg.data.manifest import Split
from tf_diffseg.data.spread import spacing_spread
from tf_diffseg.errors import InputError

_TEST = "test"


def fold_of_groups(groups, num_folds):
    """Divides groups into folds by their names alone.

    Args:
        groups: names; a name may come several times.
        num_folds: number of folds.

    Returns:
        Dict from group to fold, from 0.
    """
    groups = sorted(set(groups), key=lambda group: (_hash(group), group))
    # So many folds get one group more than the others.
    least, num_larger = divmod(len(groups), num_folds)
    sizes = [0] * num_folds
    fold_of = {}
    for group in groups:
        room = least + (num_larger > 0)
        wanted = sorted(range(num_folds), key=lambda fold: _hash(f"{fold} {group}"))
        fold = next(fold for fold in wanted if sizes[fold] < room)
        num_larger -= sizes[fold] == least
        sizes[fold] += 1
        fold_of[group] = fold
    return fold_of


def _hash(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def manifest_of_fold(manifest, num_folds, fold, test_in_folds=False):
    """The data of one fold, in the same shards.

    Args:
        manifest: `Manifest` of converted data.
        num_folds: number of folds, at least 2.
        fold: the fold to validate on, from 0.
        test_in_folds: whether the cases of the split "test" are divided as well;
            otherwise that split stays as it is. All other splits are divided.

    Returns:
        `Manifest` whose split "validation" has the cases of the fold, and "train" those
        of the other folds.

    Raises:
        InputError: there are fewer groups than folds.
    """
    divided = {
        name: split
        for name, split in manifest.splits.items()
        if test_in_folds or name != _TEST
    }
    uids = [uid for split in divided.values() for uid in split.uids]
    group_of = {uid: manifest.groups.get(uid, uid) for uid in uids}
    _check_number(manifest, num_folds, group_of, list(divided))
    fold_of = fold_of_groups(group_of.values(), num_folds)
    shards = [shard for split in divided.values() for shard in split.shards]
    # Statistics are of whole splits. They give a network its first bias, for which all
    # cases are as good as those of the fold.
    voxels = [split.statistics["voxels_per_class"] for split in divided.values()]
    statistics = {"voxels_per_class": list(map(sum, zip(*voxels, strict=True)))}

    def part(is_validated):
        numbers = [
            number
            for number, uid in enumerate(uids)
            if (fold_of[group_of[uid]] == fold) == is_validated
        ]
        return Split([uids[n] for n in numbers], shards, statistics, numbers)

    others = {n: split for n, split in manifest.splits.items() if n not in divided}
    splits = {"train": part(False), "validation": part(True), **others}
    fingerprint = _with_spacing_of(manifest.fingerprint, divided, splits["train"])
    return dataclasses.replace(manifest, splits=splits, fingerprint=fingerprint)


def _with_spacing_of(fingerprint, divided, train):
    """The fingerprint with the voxel sizes that the network of a fold has seen.

    They decide which scans are resampled. Earlier versions kept none of single cases.
    """
    known = [split.statistics.get("spacings_mm") for split in divided.values()]
    if not fingerprint or not all(known):
        return fingerprint
    spacings_mm = np.array([each for of_split in known for each in of_split])
    return {**fingerprint, "spacing_mm": spacing_spread(spacings_mm[train.numbers])}


def _check_number(manifest, num_folds, group_of, divided):
    num_groups = len(set(group_of.values()))
    if num_folds <= num_groups:
        return
    what = "group" if manifest.groups else "case"
    splits = f"the split(s) {', '.join(divided)}" if divided else "no split"
    more = ""
    if _TEST in manifest.splits and _TEST not in divided:
        more = f"; `test_in_folds` takes those of {_TEST} too"
    raise InputError(
        f"folds={num_folds} is more than the {num_groups} {what}(s) in {splits} of "
        f"the data set {manifest.dataset}{more}",
        argument="folds",
    )
