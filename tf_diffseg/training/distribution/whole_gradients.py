"""Gradients that an optimizer takes as those of the whole batch.

Keras's optimizers clip each replica's gradient, and look in that of the first one for
numbers that are not finite, before they sum them: more devices would train otherwise
than one. So they are summed first.
"""

from tf_diffseg.training.distribution.replica_share import (
    num_replicas,
    sum_over_replicas,
)


def sum_gradients(gradients):
    """Sums each gradient over replicas; None stays None.

    Args:
        gradients: list of tensors and None, this replica's.

    Returns:
        List of the same length, the same on all replicas.
    """
    sums = iter(sum_over_replicas([each for each in gradients if each is not None]))
    return [None if each is None else next(sums) for each in gradients]


def take_whole_gradients(optimizer):
    """Keeps an optimizer from summing gradients over replicas once more.

    To be called in the scope of the strategy.

    Args:
        optimizer: a Keras optimizer; one inside it, under a loss scale, is kept too.
    """
    if num_replicas() == 1:
        return
    while optimizer is not None:
        # From an iterable of pairs to a list of them.
        optimizer._all_reduce_sum_gradients = list
        optimizer = getattr(optimizer, "inner_optimizer", None)
