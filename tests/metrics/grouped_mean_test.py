import numpy as np

from tf_diffseg.metrics import GroupedMean


def test_means_of_the_values_of_each_group():
    metric = GroupedMean(4)
    metric.update_state([1.0, 2.0, 6.0], [0, 2, 2])
    metric.update_state([4.0, 7.0], [2, 3])
    np.testing.assert_allclose(metric.result(), [1.0, 4.0, 4.0, 7.0])
    metric.update_state([8.0], [3])
    # A group without values has the mean of them all.
    np.testing.assert_allclose(metric.result(), [1.0, 28.0 / 6, 4.0, 7.5])
    metric.reset_state()
    np.testing.assert_array_equal(metric.result(), np.zeros(4))


def test_a_value_that_is_no_number_is_not_hidden():
    metric = GroupedMean(3)
    metric.update_state([1.0, np.nan], [0, 1])
    assert np.isnan(metric.result()).any()


def test_is_rebuilt_from_its_config():
    metric = GroupedMean(4, name="by_step")
    assert GroupedMean.from_config(metric.get_config()).get_config() == (
        metric.get_config()
    )
