"""Batches hold the right cases in an order that can be repeated."""

import collections
import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tests.data.made_shards import write_seven_cases
from tf_diffseg.data.shard_index import ShardError
from tf_diffseg.data.training_pipeline import training_dataset

_NUM_CASES = 7
_PATCH_SHAPE = (3, 3, 3)

# Case and place from which a training example was cut.
_Origin = collections.namedtuple("_Origin", "case place")


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    return write_seven_cases(tmp_path_factory.mktemp("shards"))


def _dataset(shard_paths, batch_size=2, **keywords):
    return training_dataset(
        shard_paths, _NUM_CASES, _PATCH_SHAPE, batch_size, **keywords
    )


def _batches(shard_paths, num_batches, batch_size=2, **keywords):
    """Origins of all examples of the first batches."""
    return [
        [
            _Origin(int(image[0, 0, 0, 0]), int(label[0, 0, 0]))
            for image, label in zip(batch["image"], batch["label"], strict=True)
        ]
        for batch in _dataset(shard_paths, batch_size, **keywords)
        .take(num_batches)
        .as_numpy_iterator()
    ]


def _cases(batches):
    return [origin.case for batch in batches for origin in batch]


def test_batches_of_whole_patches(shard_paths):
    dataset = _dataset(shard_paths)
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


@pytest.mark.parametrize("batch_size", [2, 7])
def test_an_epoch_holds_no_case_twice(shard_paths, batch_size):
    per_epoch = _NUM_CASES // batch_size
    batches = _batches(shard_paths, 6 * per_epoch, batch_size)
    seen = collections.Counter()
    for epoch in range(6):
        cases = _cases(batches[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert len(cases) == len(set(cases)) == per_epoch * batch_size
        seen.update(cases)
    # Each epoch leaves out other cases.
    assert set(seen) == set(range(_NUM_CASES))


def test_padding_fills_the_last_batch_with_the_first_cases(shard_paths):
    batches = _batches(shard_paths, 9, batch_size=3, remainder="pad")
    for epoch in range(3):
        cases = _cases(batches[3 * epoch : 3 * epoch + 3])
        assert sorted(cases[:_NUM_CASES]) == list(range(_NUM_CASES))
        assert cases[_NUM_CASES:] == cases[:2]
    # A batch of 16 holds each of 7 cases at least twice.
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
    [(2, 2, 1), (0, 9, 2)],
)
def test_a_later_start_gives_the_same_batches(
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
    expected = _dataset(shard_paths, num_parallel_calls=1, **options)
    found = _dataset(shard_paths, num_parallel_calls=5, **options)
    for a, b in zip(expected.take(6), found.take(6), strict=True):
        np.testing.assert_array_equal(a["image"], b["image"])
        np.testing.assert_array_equal(a["label"], b["label"])


def test_only_the_seed_decides(shard_paths):
    drawn = []
    for seed, global_seed in ((0, 10), (0, 11), (1, 10)):
        tf.random.set_seed(global_seed)
        drawn.append(_batches(shard_paths, 6, seed=seed))
    assert drawn[0] == drawn[1]
    assert _cases(drawn[0]) != _cases(drawn[2])


@pytest.mark.parametrize(
    "num_workers, num_replicas, patches_per_volume", [(1, 2, 1), (2, 4, 2)]
)
def test_workers_share_each_batch(
    shard_paths, num_workers, num_replicas, patches_per_volume
):
    keywords = {
        "batch_size": 4,
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
        assert {len(share[i]) for share in shares for i in ours} == {4 // num_replicas}


def test_a_strategy_gets_the_parts_of_its_replicas(shard_paths):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    distributed = strategy.distribute_datasets_from_function(
        lambda context: _dataset(shard_paths, input_context=context)
    )
    first = next(iter(distributed))
    expected = next(iter(_dataset(shard_paths)))
    np.testing.assert_array_equal(first["label"], expected["label"])


@pytest.mark.parametrize(
    "batch_size, keywords, message",
    [
        (
            6,
            {"input_context": tf.distribute.InputContext(2, 0, 4)},
            "multiple of the 4 replicas .* got 6",
        ),
        (8, {}, "batch_size must be at most the 7 training cases .*, got 8"),
        (2, {"rotate": 3.0}, r"no option \['rotate'\]"),
    ],
)
def test_wrong_arguments_are_refused(shard_paths, batch_size, keywords, message):
    with pytest.raises(ValueError, match=message):
        _dataset(shard_paths, batch_size, **keywords)


def test_another_number_of_cases_is_refused(shard_paths):
    with pytest.raises(ShardError, match="hold 7 cases, expected 9; see .*--verify"):
        training_dataset(shard_paths, 9, _PATCH_SHAPE, batch_size=2)


@contextlib.contextmanager
def _data_service(num_workers):
    """Gives the address of a `tf.data` service."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    workers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(num_workers)
    ]
    yield dispatcher.target
    del workers


def test_a_tf_data_service_gives_the_same_batches(shard_paths):
    keywords = {"first_step": 1, "patches_per_volume": 2}
    with _data_service(num_workers=1) as address:
        served = _batches(shard_paths, 8, data_service=address, **keywords)
    assert served == _batches(shard_paths, 8, **keywords)


def test_two_workers_of_a_tf_data_service_give_no_batch_twice(shard_paths):
    with _data_service(num_workers=2) as address:
        served = _batches(shard_paths, 20, data_service=address)
    # The order depends on the workers.
    own = collections.Counter(map(tuple, _batches(shard_paths, 60)))
    assert not collections.Counter(map(tuple, served)) - own
