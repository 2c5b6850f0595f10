"""Means of groups of values."""

import numpy as np

from tf_diffseg.metrics import GroupedMean


def test_result_is_the_mean_of_each_group():
    metric = GroupedMean(4)
    metric.update_state([1.0, 2.0, 6.0], [0, 2, 2])
    metric.update_state([4.0, 7.0], [2, 3])
    np.testing.assert_allclose(metric.result(), [1.0, 4.0, 4.0, 7.0])
    metric.update_state([8.0], [3])
    # A group without a value has the mean of all values.
    np.testing.assert_allclose(metric.result(), [1.0, 28.0 / 6, 4.0, 7.5])
    metric.reset_state()
    np.testing.assert_array_equal(metric.result(), np.zeros(4))


def test_nan_is_not_hidden():
    metric = GroupedMean(3)
    metric.update_state([1.0, np.nan], [0, 1])
    assert np.isnan(metric.result()).any()


def test_config_rebuilds_it():
    metric = GroupedMean(4, name="by_step")
    config = metric.get_config()
    assert GroupedMean.from_config(config).get_config() == config
