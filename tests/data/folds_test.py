"""Folds hold each case once, keep groups together, and are equal."""

import collections
import dataclasses
import random
import statistics

import pytest

from tf_diffseg.data.folds import fold_of_groups, manifest_of_fold
from tf_diffseg.data.manifest import Manifest, Shard, Split
from tf_diffseg.data.some_cases import SomeCases
from tf_diffseg.errors import InputError


def _names(rng, most):
    return [f"p{rng.random()}" for _ in range(rng.randint(2, most))]


def _split(name, uids):
    half = len(uids) // 2
    shards = [Shard(f"{name}-0", half, "a"), Shard(f"{name}-1", len(uids) - half, "b")]
    return Split(uids, shards, {"voxels_per_class": [len(uids), 1]})


def _manifest(groups=None, **uids):
    return Manifest(
        dataset="toy",
        modality="MRI",
        license="CC0",
        class_names=["background", "organ"],
        label_values=[0, 1],
        channel_names=["T1"],
        preprocessing={},
        splits={name: _split(name, of_split) for name, of_split in uids.items()},
        groups=groups or {},
    )


def test_a_fold_has_seen_the_voxel_sizes_of_its_own_cases():
    """They decide which scans are resampled, those of the other folds included."""
    uids = [f"case_{i}" for i in range(9)]
    manifest = _manifest(train=uids[:6], validation=uids[6:])
    spacing_of = {uid: [1.0, 2.0, float(i)] for i, uid in enumerate(uids)}
    for split in manifest.splits.values():
        split.statistics["spacings_mm"] = [spacing_of[uid] for uid in split.uids]
    fingerprint = {"spacing_mm": {"min": [0.0] * 3}, "num_cases": 6}
    manifest = dataclasses.replace(manifest, fingerprint=fingerprint)
    for fold in range(3):
        divided = manifest_of_fold(manifest, 3, fold)
        seen = [spacing_of[uid][2] for uid in divided.splits["train"].uids]
        found = divided.fingerprint["spacing_mm"]
        assert found["min"] == [1.0, 2.0, min(seen)]
        assert found["max"] == [1.0, 2.0, max(seen)]
        assert found["median"] == [1.0, 2.0, statistics.median(seen)]
        assert divided.fingerprint["num_cases"] == 6
    # Those of an earlier version, and of data without a fingerprint, stay.
    del manifest.splits["validation"].statistics["spacings_mm"]
    assert manifest_of_fold(manifest, 3, 0).fingerprint == fingerprint


@pytest.mark.parametrize("seed", range(15))
def test_each_case_is_validated_once_and_no_group_is_in_both_parts(seed):
    rng = random.Random(seed)
    names = _names(rng, 60)
    groups = {f"{name}_{i}": name for name in names for i in range(rng.randint(1, 4))}
    uids = rng.sample(list(groups), len(groups))
    cut = rng.randint(1, len(uids) - 1)
    num_folds = rng.randint(2, len(names))
    manifest = _manifest(groups, train=uids[:cut], validation=uids[cut:])
    stored = [f"{name}-{i}" for name in ("train", "validation") for i in (0, 1)]
    validated = []
    for fold in range(num_folds):
        divided = manifest_of_fold(manifest, num_folds, fold)
        parts = [divided.splits[name] for name in ("train", "validation")]
        trained, held_out = ({groups[uid] for uid in part.uids} for part in parts)
        assert not trained & held_out
        assert abs(len(held_out) - len(names) / num_folds) < 1
        for part in parts:
            assert part.uids == [uids[number] for number in part.numbers]
            assert [shard.file_name for shard in part.shards] == stored
            assert part.statistics == {"voxels_per_class": [len(uids), 2]}
        validated += parts[1].uids
    assert sorted(validated) == sorted(uids)


@pytest.mark.parametrize("seed", range(15))
def test_a_group_that_comes_moves_few_others(seed):
    rng = random.Random(seed)
    names, num_folds = _names(rng, 120), rng.randint(2, 10)
    before = fold_of_groups(names, num_folds)
    after = fold_of_groups([*names, f"p{rng.random()}"], num_folds)
    assert sum(before[name] != after[name] for name in names) < num_folds


def test_most_groups_do_not_depend_on_the_others():
    names = [f"case_{i:03}" for i in range(400)]
    counts = collections.Counter(fold_of_groups(names, 5).values())
    assert set(counts.values()) == {80}
    few, all_of_them = fold_of_groups(names[:200], 5), fold_of_groups(names, 5)
    assert sum(few[name] == all_of_them[name] for name in names[:200]) > 170
    assert fold_of_groups(names[::-1] * 2, 5) == all_of_them


def test_the_split_test_is_divided_only_if_asked_for(tmp_path):
    uids = {"train": ["a", "b", "c"], "test": ["d", "e"]}
    manifest = _manifest(**uids)
    divided = manifest_of_fold(manifest, 3, 1)
    assert divided.splits["test"] == manifest.splits["test"]
    whole = manifest_of_fold(manifest, 5, 1, test_in_folds=True)
    assert list(whole.splits) == ["train", "validation"]
    assert len(whole.splits["train"].uids) == 4
    for name in ("train-0", "train-1", "test-0", "test-1"):
        (tmp_path / name).touch()
    cases = whole.shard_paths(tmp_path, "validation")
    assert isinstance(cases, SomeCases)
    assert ["abcde"[number] for number in cases.numbers] == whole.split(
        "validation"
    ).uids
    assert isinstance(manifest.shard_paths(tmp_path, "train"), list)


@pytest.mark.parametrize(
    "groups, uids, message",
    [
        (None, {"train": ["a", "b"]}, "4 is more than the 2 case.s. in the split.s. t"),
        (None, {"test": ["a"]}, "0 case.s. in no split .*; `test_in_folds` takes"),
        (dict.fromkeys("abcd", "p"), {"train": [*"abcd"]}, "than the 1 group"),
    ],
)
def test_more_folds_than_groups_are_refused(groups, uids, message):
    with pytest.raises(InputError, match=message):
        manifest_of_fold(_manifest(groups, **uids), 4, 0)
