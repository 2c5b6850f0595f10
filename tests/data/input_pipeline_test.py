"""The input pipeline: what an epoch holds, and that it can be repeated."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.example_schema import (
    KEYS,
    TRAINING_KEYS,
    encode_example,
    shard_file_name,
)
from tf_diffseg.data.input_pipeline import evaluation_dataset, training_dataset

_NUM_CASES = 7
_SHAPE = (6, 5, 4)
_PATCH_SHAPE = (3, 3, 3)

# What a training example was cut from.
_Origin = collections.namedtuple("_Origin", "case place")


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    """Three shards of cases that name themselves.

    The first channel of case n is n everywhere; the second, and the label, count
    the voxels.
    """
    folder = tmp_path_factory.mktemp("shards")
    paths = []
    for shard, cases in enumerate(([0, 1, 2], [3, 4, 5], [6])):
        paths.append(str(folder / shard_file_name("toy", "train", shard, 3)))
        with tf.io.TFRecordWriter(paths[-1]) as writer:
            for case in cases:
                writer.write(_serialized_case(case))
    return paths


def _serialized_case(case):
    place = np.arange(np.prod(_SHAPE)).reshape(_SHAPE)
    return encode_example(
        uid=f"case_{case}",
        image=np.stack([np.full(_SHAPE, case), place], axis=-1).astype(np.float32),
        label=place,
        spacing_mm=(1.0, 1.0, 2.0),
        source_affine=np.eye(4),
        source_label=np.full((2, 3, 4), case),
    )


def _batches(shard_paths, num_batches, batch_size=2, **keywords):
    """The origins of all examples of the first batches."""
    dataset = training_dataset(
        shard_paths, _NUM_CASES, _PATCH_SHAPE, batch_size, **keywords
    )
    return [
        [
            _Origin(int(image[0, 0, 0, 0]), int(label[0, 0, 0]))
            for image, label in zip(batch["image"], batch["label"], strict=True)
        ]
        for batch in dataset.take(num_batches).as_numpy_iterator()
    ]


def _cases(batches):
    return [origin.case for batch in batches for origin in batch]


def test_batches_of_whole_patches(shard_paths):
    dataset = training_dataset(shard_paths, _NUM_CASES, _PATCH_SHAPE, batch_size=2)
    assert dataset.element_spec == {
        "image": tf.TensorSpec((2, *_PATCH_SHAPE, None), tf.float32),
        "label": tf.TensorSpec((2, *_PATCH_SHAPE), tf.int32),
    }
    assert dataset.cardinality() in (
        tf.data.INFINITE_CARDINALITY,
        tf.data.UNKNOWN_CARDINALITY,
    )
    for batch in dataset.take(3).as_numpy_iterator():
        case, place = np.moveaxis(batch["image"], -1, 0)
        np.testing.assert_array_equal(place, batch["label"])
        np.testing.assert_array_equal(case.max(axis=(1, 2, 3)), case[:, 0, 0, 0])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
@pytest.mark.parametrize("shuffle_buffer", [2, 256])
def test_no_case_comes_twice_in_an_epoch(shard_paths, batch_size, shuffle_buffer):
    per_epoch = _NUM_CASES // batch_size
    batches = _batches(
        shard_paths, 4 * per_epoch, batch_size, shuffle_buffer=shuffle_buffer
    )
    seen = collections.Counter()
    for epoch in range(4):
        cases = _cases(batches[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert len(cases) == len(set(cases)) == per_epoch * batch_size
        seen.update(cases)
    # Others are left over each time.
    assert set(seen) == set(range(_NUM_CASES))


def test_epochs_differ_in_order_and_in_patches(shard_paths):
    batches = _batches(shard_paths, 8, batch_size=7)
    orders = {tuple(_cases([batch])) for batch in batches}
    assert len(orders) == 8
    places = [
        {origin.place for origin in batch if not origin.case} for batch in batches
    ]
    assert len(set().union(*places)) > 3
    assert len({origin.place for origin in batches[0]}) > 3


@pytest.mark.parametrize("first_epoch", [1, 2, 5])
@pytest.mark.parametrize("shuffle_buffer", [2, 256])
def test_a_later_first_epoch_goes_on_with_the_same_batches(
    shard_paths, first_epoch, shuffle_buffer
):
    per_epoch = _NUM_CASES // 2
    keywords = {"seed": 3, "shuffle_buffer": shuffle_buffer}
    whole = _batches(shard_paths, (first_epoch + 2) * per_epoch, **keywords)
    resumed = _batches(shard_paths, 2 * per_epoch, first_epoch=first_epoch, **keywords)
    assert resumed == whole[first_epoch * per_epoch :]


def test_the_seed_alone_draws(shard_paths):
    drawn = []
    for seed, global_seed in itertools.product((0, 1), (10, 11)):
        tf.random.set_seed(global_seed)
        drawn.append(_batches(shard_paths, 6, seed=seed))
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[0] != drawn[2]
    assert _cases(drawn[0]) != _cases(drawn[2])


def test_shards_are_not_read_in_one_order(shard_paths):
    # With windows of one case, the order of the shards is all that is shuffled.
    batches = _batches(shard_paths, 12, batch_size=7, shuffle_buffer=1)
    shards = [tuple(case // 3 for case in _cases([batch])) for batch in batches]
    assert len(set(shards)) > 2
    assert all(len(list(itertools.groupby(order))) == 3 for order in shards)


def test_fewer_cases_than_a_batch(shard_paths):
    message = "batch_size must be at most the 7 training cases, got 8"
    with pytest.raises(ValueError, match=message):
        training_dataset(shard_paths, _NUM_CASES, _PATCH_SHAPE, batch_size=8)


def test_evaluation_takes_whole_cases_in_the_order_of_the_shards(shard_paths):
    dataset = evaluation_dataset(shard_paths)
    assert tuple(dataset.element_spec) == KEYS
    cases = list(dataset.as_numpy_iterator())
    assert [case["uid"].decode() for case in cases] == [
        f"case_{n}" for n in range(_NUM_CASES)
    ]
    for n, case in enumerate(cases):
        assert case["image"].shape == (*_SHAPE, 2)
        np.testing.assert_array_equal(case["image"][..., 0], n)
        np.testing.assert_array_equal(case["image"][..., 1], case["label"])
        np.testing.assert_array_equal(case["source_label"], np.full((2, 3, 4), n))


@pytest.mark.parametrize("keys", [("image", "label"), ("uid",), TRAINING_KEYS])
def test_evaluation_reads_what_it_is_asked_for(shard_paths, keys):
    dataset = evaluation_dataset(shard_paths[::-1], keys)
    assert tuple(dataset.element_spec) == keys
    first = next(dataset.as_numpy_iterator())
    assert tuple(first) == keys
    if "uid" in keys:
        assert first["uid"] == b"case_6"
