"""Label maps of whole volumes and by windows: when they agree and when not."""

import numpy as np
import pytest
import tensorflow as tf

from tests.runs.toy_run import WINDOW, toy_run
from tf_diffseg.data.example_schema import encode_example
from tf_diffseg.evaluation.window_agreement import window_agreement
from tf_diffseg.reports.window_table import window_table
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("runs") / "diffusion")


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = str(tmp_path_factory.mktemp("shards") / "shard.tfrecord")
    shape = (2 * WINDOW[0], *WINDOW[1:])
    with tf.io.TFRecordWriter(path) as writer:
        for uid in ("a", "b", "c"):
            image = rng.normal(size=(*shape, 1)).astype(np.float32)
            label = rng.integers(0, 3, shape)
            writer.write(
                encode_example(uid, image, label, np.ones(3), np.eye(4), label)
            )
    return path


def _agreement(run, shard, window_shape):
    trained = TrainedModels([run], InferenceOptions(window_shape=window_shape))
    return list(window_agreement(trained, [shard], {"a", "c"}))


def test_a_window_as_large_as_the_volume_is_the_volume(run, shard):
    cases = _agreement(run, shard, (2 * WINDOW[0], *WINDOW[1:]))
    assert [case.uid for case in cases] == ["a", "c"]
    for case in cases:
        there = ~np.isnan(case.windows_whole)
        assert there.any()
        np.testing.assert_array_equal(case.windows_whole[there], 1.0)
        np.testing.assert_array_equal(case.windows_truth, case.whole_truth)
        assert np.nanmin(case.seeds_whole) < 1.0


def test_windows_of_a_random_network_show(run, shard):
    cases = _agreement(run, shard, WINDOW)
    assert all(np.nanmin(case.windows_whole) < 1.0 for case in cases)
    rows = window_table(cases, ["background", "liver", "spleen"]).splitlines()
    assert rows[0].split() == [
        "windows_whole", "seeds_whole", "windows_truth", "whole_truth"
    ]  # fmt: skip
    assert rows[1].split()[0] == "liver" and rows[2].split()[0] == "spleen"
    for column, field in enumerate(rows[0].split(), start=1):
        shares = [getattr(case, field)[2] for case in cases]
        expected = pytest.approx(np.nanmean(shares), abs=5e-4, nan_ok=True)
        assert float(rows[2].split()[column]) == expected
