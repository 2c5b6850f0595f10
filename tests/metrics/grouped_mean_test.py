import numpy as np

from tf_diffseg.metrics import GroupedMean


def test_means_of_the_values_of_each_group():
    metric = GroupedMean(4)
    metric.update_state([1.0, 2.0, 6.0], [0, 2, 2])
    metric.update_state([4.0, 7.0], [2, 3])
    np.testing.assert_allclose(metric.result(), [1.0, np.nan, 4.0, 7.0])
    metric.reset_state()
    assert np.isnan(metric.result()).all()


def test_is_rebuilt_from_its_config():
    metric = GroupedMean(4, name="by_step")
    assert GroupedMean.from_config(metric.get_config()).get_config() == (
        metric.get_config()
    )
