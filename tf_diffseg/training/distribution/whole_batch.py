"""Gradients and metric results of the whole batch, over all replicas.

Keras's optimizers clip the gradient of each replica, and look only at the first one's
for numbers that are not finite, before they sum them: training would depend on the
number of devices. So gradients are summed first.
"""

import keras
import tensorflow as tf

from tf_diffseg.training.distribution.replica_share import (
    num_replicas,
    sum_over_replicas,
)


def sum_gradients(gradients):
    """Sums each gradient of a list over replicas; None stays None."""
    sums = iter(sum_over_replicas([each for each in gradients if each is not None]))
    return [None if each is None else next(sums) for each in gradients]


def take_whole_gradients(optimizer):
    """Keeps an optimizer, and one inside it, from summing over replicas once more.

    Call it in the scope of the strategy.
    """
    if num_replicas() == 1:
        return
    while optimizer is not None:
        # Keras passes an iterable of pairs and expects a list of them.
        optimizer._all_reduce_sum_gradients = list
        optimizer = getattr(optimizer, "inner_optimizer", None)


def result_over_replicas(metrics, result):
    """Calls a function with metrics that hold the sums of all replicas.

    The mean of the replicas' own results is not that of the batch if shares differ,
    and an empty share has no result.

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
