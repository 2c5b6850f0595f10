"""Validation gets each window once, however batches and workers share them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.made_shards import SHAPE, write_seven_cases
from tf_diffseg.data.evaluation_pipeline import evaluation_dataset
from tf_diffseg.data.validation_pipeline import validation_dataset
from tf_diffseg.data.windows import window_starts

_NUM_CASES = 7


@pytest.fixture(scope="module")
def shard_paths(tmp_path_factory):
    return write_seven_cases(tmp_path_factory.mktemp("shards"))


@pytest.mark.parametrize("cases_in_batch", [1, 3, 16])
def test_validation_keeps_its_last_partial_batch(shard_paths, cases_in_batch):
    dataset = validation_dataset(shard_paths, SHAPE, cases_in_batch * np.prod(SHAPE))
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == -(-_NUM_CASES // cases_in_batch)
    cases = np.concatenate([batch["image"][:, 0, 0, 0, 0] for batch in batches])
    np.testing.assert_array_equal(cases, range(_NUM_CASES))
    for batch in batches:
        np.testing.assert_array_equal(batch["image"][..., 1], batch["label"])


@pytest.mark.parametrize(
    "window_shape",
    [
        tuple(SHAPE),
        (1, *SHAPE[1:]),
        (*SHAPE[:2], 1),
        (SHAPE[0] // 2, *SHAPE[1:]),
        (SHAPE[0] + 3, SHAPE[1], SHAPE[2] // 2),
        tuple(size + 1 for size in SHAPE),
    ],
)
@pytest.mark.parametrize("num_workers", [None, 2])
def test_windows_are_validated_one_by_one(shard_paths, window_shape, num_workers):
    """Each voxel of each case is in one, in batches that a device has room for."""
    found = {}
    for worker in range(num_workers or 1):
        context = num_workers and tf.distribute.InputContext(2, worker, 2)
        room = 2 * np.prod(window_shape)
        dataset = validation_dataset(shard_paths, window_shape, room, context)
        for batch in dataset.as_numpy_iterator():
            assert len(batch["label"]) <= 2
            for image, label in zip(batch["image"], batch["label"], strict=True):
                assert label.shape == window_shape
                # The channels are the case and the place, which is the label, too.
                np.testing.assert_array_equal(image[..., 1], label)
                found.setdefault(int(image.max((0, 1, 2))[0]), []).append(label)
    assert sorted(found) == list(range(_NUM_CASES))
    number = len(window_starts(SHAPE, window_shape))
    places = np.unique(next(iter(evaluation_dataset(shard_paths)))["label"])
    for windows in found.values():
        assert len(windows) == number
        np.testing.assert_array_equal(np.unique(windows), places)


@pytest.mark.parametrize("replicas_per_worker", [1, 2])
def test_workers_share_the_validation(shard_paths, replicas_per_worker):
    cases = []
    for worker in range(3):
        context = tf.distribute.InputContext(3, worker, 3 * replicas_per_worker)
        dataset = validation_dataset(shard_paths, SHAPE, 10**9, context)
        batches = list(dataset)
        assert len(batches) == dataset.cardinality() == replicas_per_worker
        for batch in batches:
            assert len(batch["label"]) <= -(-_NUM_CASES // (3 * replicas_per_worker))
            cases += batch["image"][:, 0, 0, 0, 0].numpy().tolist()
    assert sorted(cases) == list(range(_NUM_CASES))
