"""The order of the cases of an epoch."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.data.epoch_order import EpochOrder, Remainder, steps_per_epoch


@pytest.mark.parametrize(
    "num_examples, batch_size, patches, remainder, expected",
    [
        (7, 2, 1, "drop", 3),
        (7, 2, 1, "pad", 4),
        (7, 2, 3, Remainder.DROP, 9),
        (8, 2, 1, Remainder.PAD, 4),
        (3, 5, 1, "pad", 1),
    ],
)
def test_steps_of_an_epoch(num_examples, batch_size, patches, remainder, expected):
    steps = steps_per_epoch(num_examples, batch_size, patches, remainder)
    assert steps == expected


def test_all_orders_are_equally_likely():
    order = EpochOrder(num_examples=3, batch_size=3)
    cases = tf.function(lambda epoch: order.cases(epoch, tf.constant([4, 0]))[0])
    counts = collections.Counter(
        tuple(cases(tf.constant(epoch, tf.int64)).numpy()) for epoch in range(600)
    )
    # 100 of each are expected, with a standard deviation of 9.1.
    assert len(counts) == 6
    assert min(counts.values()) > 60 and max(counts.values()) < 140


def test_no_seed_comes_twice():
    order = EpochOrder(num_examples=5, batch_size=2)
    rounds = tf.range(9, dtype=tf.int64)
    seeds = np.concatenate([order.cases(r, tf.constant([4, 0]))[1] for r in rounds])
    assert len(np.unique(seeds, axis=0)) == len(seeds) == 18


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((4, 5), "batch_size must be at most the 4 training cases .*, got 5"),
        ((0, 1), "num_examples must be at least 1, got 0"),
        ((4, 2, 0), "patches_per_volume must be at least 1, got 0"),
        ((4, 2, 1, "keep"), "'keep' is not a valid Remainder"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        EpochOrder(*arguments)
