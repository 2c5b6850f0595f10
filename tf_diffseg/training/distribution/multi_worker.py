"""Keras's `fit` on several machines.

That of Keras 3 fails under MultiWorkerMirroredStrategy (keras #20585): it reduces a
step's scalars along an axis that they do not have.
"""

import contextlib
import functools

import tensorflow as tf

from tf_diffseg.training.interruptions import WorkerLost


def is_multi_worker(strategy):
    """Whether a strategy spans several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
    """Whether this process writes checkpoints and logs; only one worker does."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    if resolver.task_type in (None, "chief"):
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    return resolver.task_type == "worker" and not has_chief and resolver.task_id == 0


def adapt_to_workers(model):
    """Makes `fit` and `evaluate` of a built model work on several machines.

    Does nothing for a model that was not made in the scope of a
    `MultiWorkerMirroredStrategy`. XLA is not used there.
    """
    if not is_multi_worker(model.distribute_strategy):
        return
    model.make_train_function = functools.partial(
        _make_function, model, "train_function", "train_step"
    )
    model.make_test_function = functools.partial(
        _make_function, model, "test_function", "test_step"
    )


def _make_function(model, name, step, force=False):
    """As `keras.Model.make_train_function`, but reduces over all workers."""
    if getattr(model, name) is None or force:
        strategy = model.distribute_strategy

        @tf.function(reduce_retracing=True, autograph=False)
        def one_step(iterator):
            values = strategy.run(getattr(model, step), args=(iterator.get_next(),))
            return {
                key: strategy.reduce("MEAN", value, axis=None)
                for key, value in values.items()
            }

        setattr(model, name, one_step)
    return getattr(model, name)


def distribute(strategy, make_dataset):
    """A dataset for this process, or one that is distributed over workers.

    Args:
        strategy: strategy of the model.
        make_dataset: function from a `tf.distribute.InputContext` to a dataset of
            batches of one replica, or from None to one of whole batches.
    """
    if not is_multi_worker(strategy):
        return make_dataset(None)
    return strategy.distribute_datasets_from_function(make_dataset)


@contextlib.contextmanager
def named_worker_loss(strategy):
    """Turns the error of a step that waits for a dead worker into `WorkerLost`."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
        tf.errors.DeadlineExceededError,
    ) as error:
        if not is_multi_worker(strategy):
            raise
        resolver = strategy.cluster_resolver
        reason = ": ".join(
            [type(error).__name__, *str(error.message).strip().splitlines()[:1]]
        )
        raise WorkerLost(
            f"{resolver.task_type} {resolver.task_id} stops: another worker ended or "
            f"cannot be reached ({reason})"
        ) from error
