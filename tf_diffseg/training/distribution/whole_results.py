"""Results of metrics over all replicas, for the replica that asks."""

import keras
import tensorflow as tf

from tf_diffseg.training.distribution.replica_share import (
    num_replicas,
    sum_over_replicas,
)


def result_over_replicas(metrics, result):
    """What a function makes of metrics that hold the sums of all replicas.

    Each replica's own result would not do: their mean is not that of the batch where
    shares differ, and an empty share has none.

    Args:
        metrics: list of Keras metrics whose variables are sums.
        result: function without arguments that reads them.

    Returns:
        What `result` returns, the same on all replicas.
    """
    if num_replicas() == 1:
        return result()
    variables = [variable for metric in metrics for variable in metric.variables]
    sums = sum_over_replicas([tf.convert_to_tensor(each) for each in variables])
    with keras.StatelessScope(list(zip(variables, sums, strict=True))):
        return result()
