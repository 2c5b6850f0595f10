"""The benchmarks of the input: what they read and what they measure."""

import numpy as np
import pytest
import tensorflow as tf

from experiments.benchmarks import input_memory, input_pipeline
from experiments.benchmarks.example_shards import example_shards
from tf_diffseg.data import index_shards


def test_random_shards_are_whole_and_gone_afterwards():
    with example_shards(shape=(6, 5, 4), num_examples=7) as shards:
        assert len(index_shards(shards.paths)) == shards.num_examples == 7
        batch = next(iter(input_pipeline._dataset(shards, **input_pipeline.COMPARED)))
        assert batch["image"].shape == (input_pipeline.BATCH_SIZE, 6, 5, 4, 1)
        assert int(tf.reduce_max(batch["label"])) < shards.num_classes
    assert not any(tf.io.gfile.exists(path) for path in shards.paths)


def test_the_compared_cases_lie_in_memory_and_each_is_augmented():
    with example_shards(shape=(6, 5, 4), num_examples=7) as shards:
        cases = input_pipeline._cases_in_memory(shards)
    dataset = input_pipeline._compared_dataset(cases, num_threads=2)
    # Twice the seven cases: the second time with other draws.
    images = np.concatenate([batch["image"] for batch in dataset.take(7)])
    assert images.shape == (14, *cases["image"].shape[1:])
    assert np.isfinite(images).all()
    assert np.abs(images[:7] - cases["image"]).max(axis=(1, 2, 3, 4)).min() > 0.01
    assert np.abs(images[:7] - images[7:]).max(axis=(1, 2, 3, 4)).min() > 0.01


@pytest.mark.slow
def test_memory_is_that_of_a_process_that_streams():
    with example_shards(shape=(6, 5, 4), num_examples=8) as shards:
        figures = input_memory._stream(shards.paths[1:], epochs=1)
    assert figures["cases"] == 6
    assert 50.0 < figures["before_mb"] <= figures["peak_mb"] < 8000.0
