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
from tf_diffseg.data.input_pipeline import (
    evaluation_dataset,
    training_dataset,
    validation_dataset,
)
from tf_diffseg.data.shard_index import ShardError

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
def test_no_case_comes_twice_in_an_epoch(shard_paths, batch_size):
    per_epoch = _NUM_CASES // batch_size
    batches = _batches(shard_paths, 6 * per_epoch, batch_size)
    seen = collections.Counter()
    for epoch in range(6):
        cases = _cases(batches[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert len(cases) == len(set(cases)) == per_epoch * batch_size
        seen.update(cases)
    # Others are left over each time.
    assert set(seen) == set(range(_NUM_CASES))


def test_padding_fills_the_last_batch_with_the_first_cases(shard_paths):
    batches = _batches(shard_paths, 9, batch_size=3, remainder="pad")
    for epoch in range(3):
        cases = _cases(batches[3 * epoch : 3 * epoch + 3])
        assert sorted(cases[:_NUM_CASES]) == list(range(_NUM_CASES))
        assert cases[_NUM_CASES:] == cases[:2]
    # More than there are: a batch of 16 holds each case at least twice.
    counts = collections.Counter(
        _cases(_batches(shard_paths, 1, batch_size=16, remainder="pad"))
    )
    assert set(counts.values()) == {2, 3}


def test_epochs_differ_in_order_and_in_patches(shard_paths):
    batches = _batches(shard_paths, 8, batch_size=7)
    orders = {tuple(_cases([batch])) for batch in batches}
    assert len(orders) == 8
    places = [
        {origin.place for origin in batch if not origin.case} for batch in batches
    ]
    assert len(set().union(*places)) > 3
    assert len({origin.place for origin in batches[0]}) > 3


def test_several_patches_of_a_volume_come_in_consecutive_batches(shard_paths):
    batches = _batches(shard_paths, 18, batch_size=2, patches_per_volume=3)
    for first in range(0, 18, 3):
        cases = [_cases([batch]) for batch in batches[first : first + 3]]
        assert cases[0] == cases[1] == cases[2]
        assert len(set(cases[0])) == 2
    for epoch in (batches[:9], batches[9:]):
        assert set(collections.Counter(_cases(epoch)).values()) == {3}
    # The patches are not the same.
    assert len({origin.place for batch in batches[:3] for origin in batch}) > 3


@pytest.mark.parametrize(
    "first_epoch, first_step, patches_per_volume",
    [(1, 0, 1), (2, 2, 1), (0, 8, 2), (1, 1, 2)],
)
def test_a_later_start_goes_on_with_the_same_batches(
    shard_paths, first_epoch, first_step, patches_per_volume
):
    keywords = {"seed": 3, "patches_per_volume": patches_per_volume}
    start = first_epoch * (_NUM_CASES // 2) * patches_per_volume + first_step
    whole = _batches(shard_paths, start + 5, **keywords)
    resumed = _batches(
        shard_paths, 5, first_epoch=first_epoch, first_step=first_step, **keywords
    )
    assert resumed == whole[start:]


def test_the_number_of_parallel_calls_changes_nothing(shard_paths):
    options = {
        "affine_probability": 0.5,
        "noise_probability": 0.5,
        "gamma_probability": 0.5,
    }
    arguments = (shard_paths, _NUM_CASES, _PATCH_SHAPE, 2)
    expected = training_dataset(*arguments, num_parallel_calls=1, **options)
    found = training_dataset(*arguments, num_parallel_calls=5, **options)
    for a, b in zip(expected.take(6), found.take(6), strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["label"], b["label"])


def test_the_seed_alone_draws(shard_paths):
    drawn = []
    for seed, global_seed in itertools.product((0, 1), (10, 11)):
        tf.random.set_seed(global_seed)
        drawn.append(_batches(shard_paths, 6, seed=seed))
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[0] != drawn[2]
    assert _cases(drawn[0]) != _cases(drawn[2])


@pytest.mark.parametrize(
    "num_workers, num_replicas, patches_per_volume", [(1, 2, 1), (2, 2, 2), (3, 6, 2)]
)
def test_workers_share_each_batch(
    shard_paths, num_workers, num_replicas, patches_per_volume
):
    keywords = {
        "batch_size": 6,
        "patches_per_volume": patches_per_volume,
        "remainder": "pad",
    }
    local_replicas = num_replicas // num_workers
    shares = [
        _batches(
            shard_paths,
            4 * local_replicas,
            input_context=tf.distribute.InputContext(num_workers, worker, num_replicas),
            **keywords,
        )
        for worker in range(num_workers)
    ]
    for step, batch in enumerate(_batches(shard_paths, 4, **keywords)):
        ours = range(step * local_replicas, (step + 1) * local_replicas)
        assert batch == [o for share in shares for i in ours for o in share[i]]
        assert {len(share[i]) for share in shares for i in ours} == {6 // num_replicas}


def test_a_strategy_gets_the_parts_of_its_replicas(shard_paths):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.distribute_datasets_from_function(
        lambda context: training_dataset(
            shard_paths, _NUM_CASES, _PATCH_SHAPE, 2, input_context=context
        )
    )
    first = next(iter(distributed))
    expected = next(iter(training_dataset(shard_paths, _NUM_CASES, _PATCH_SHAPE, 2)))
    np.testing.assert_array_equal(first["label"], expected["label"])


def test_a_batch_that_does_not_divide_over_the_workers(shard_paths):
    context = tf.distribute.InputContext(2, 0, 4)
    with pytest.raises(ValueError, match="multiple of the 4 replicas .* got 6"):
        training_dataset(
            shard_paths, _NUM_CASES, _PATCH_SHAPE, 6, input_context=context
        )


def test_fewer_cases_than_a_batch(shard_paths):
    message = "batch_size must be at most the 7 training cases .*, got 8"
    with pytest.raises(ValueError, match=message):
        training_dataset(shard_paths, _NUM_CASES, _PATCH_SHAPE, batch_size=8)


def test_other_cases_than_expected_are_named(shard_paths):
    with pytest.raises(ShardError, match="hold 7 cases, expected 9; see .*--verify"):
        training_dataset(shard_paths, 9, _PATCH_SHAPE, batch_size=2)


def test_an_unknown_option_of_augmentation_is_named(shard_paths):
    with pytest.raises(ValueError, match=r"no option \['rotate'\]"):
        training_dataset(shard_paths, _NUM_CASES, _PATCH_SHAPE, 2, rotate=3.0)


@pytest.mark.parametrize("patches_per_volume", [1, 2])
def test_a_tf_data_service_gives_the_same_batches(shard_paths, patches_per_volume):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
    keywords = {"first_step": 1, "patches_per_volume": patches_per_volume}
    served = _batches(shard_paths, 8, data_service=dispatcher.target, **keywords)
    assert served == _batches(shard_paths, 8, **keywords)
    del worker


def test_two_workers_of_a_tf_data_service_give_no_batch_twice(shard_paths):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    workers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    served = _batches(shard_paths, 30, data_service=dispatcher.target)
    own = _batches(shard_paths, 90)
    # In an order that depends on the workers.
    assert not collections.Counter(map(tuple, served)) - collections.Counter(
        map(tuple, own)
    )
    del workers


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


@pytest.mark.parametrize("cases_in_batch", [1, 3, 16])
def test_validation_counts_its_last_partial_batch(shard_paths, cases_in_batch):
    dataset = validation_dataset(shard_paths, cases_in_batch * np.prod(_SHAPE))
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == -(-_NUM_CASES // cases_in_batch)
    cases = np.concatenate([batch["image"][:, 0, 0, 0, 0] for batch in batches])
    np.testing.assert_array_equal(cases, range(_NUM_CASES))
    for batch in batches:
        np.testing.assert_array_equal(batch["image"][..., 1], batch["label"])


@pytest.mark.parametrize("replicas_per_worker", [1, 2])
def test_workers_share_the_validation(shard_paths, replicas_per_worker):
    cases = []
    for worker in range(3):
        context = tf.distribute.InputContext(3, worker, 3 * replicas_per_worker)
        dataset = validation_dataset(shard_paths, 10**9, context)
        assert (
            len(list(dataset))
            == dataset.cardinality()
            == (
                # Batches of 3 cases for 3 replicas, of 2 for 6.
                {1: 1, 2: 2}[replicas_per_worker]
            )
        )
        for batch in dataset:
            assert len(batch["label"]) <= -(-_NUM_CASES // (3 * replicas_per_worker))
            cases += batch["image"][:, 0, 0, 0, 0].numpy().tolist()
    assert sorted(cases) == list(range(_NUM_CASES))
