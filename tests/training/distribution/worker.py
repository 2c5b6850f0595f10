"""One worker's training of two epochs; a single process may run it, too.

Its arguments are the folder of the run, a file for weights and optimizer at the end,
and the optimizer step after which the process kills itself. It ends with exit code 76
if another worker is lost.
"""

import os
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.training.toys import SMALL, TWO_STEPS, arrays
from tf_diffseg.training import KernelDecayAdamW
from tf_diffseg.training.distribution.devices import training_strategy
from tf_diffseg.training.fit import fit
from tf_diffseg.training.flat_network import flat_network
from tf_diffseg.training.interruptions import WorkerLost

_STEPS = 5


def _batch(step):
    label = tf.random.stateless_uniform([4, 4, 4, 4], [step, 0], 0, 3, tf.int32)
    return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}


def _part(batch, first, last):
    return {name: values[first:last] for name, values in batch.items()}


def _make_dataset(epoch, step, context):
    data = tf.data.Dataset.range(epoch * _STEPS + step, tf.int64.max).map(_batch)
    if context is None:
        return data
    share = 4 // context.num_input_pipelines
    first = context.input_pipeline_id * share
    return data.map(lambda batch: _part(batch, first, first + share))


def _validation(context):
    """Three cases: two for the first of two workers, one for the other."""
    cases = tf.data.Dataset.range(3).map(lambda step: _part(_batch(step), 0, 1))
    if context is None:
        return cases
    empty = cases.take(1).map(lambda case: _part(case, 0, 0))
    return cases.concatenate(empty).shard(2, context.input_pipeline_id)


class _Die(keras.callbacks.Callback):
    def __init__(self, dies_at):
        super().__init__()
        self.dies_at = dies_at

    def on_train_batch_end(self, batch, logs=None):
        if int(np.asarray(self.model.optimizer.iterations)) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder, dies_at=-1):
    """Trains; returns the weights and the optimizer's variables."""
    strategy = training_strategy(report=print)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = flat_network(3, **SMALL, **TWO_STEPS, timestep_sampling="loss")
        model.compile(
            # With a small epsilon Adam would enlarge the rounding of gradients.
            KernelDecayAdamW(
                1e-2, epsilon=1e-2, global_clipnorm=0.1, use_ema=True, ema_momentum=0.5
            )
        )
    fit(
        model,
        _make_dataset,
        folder,
        2,
        _STEPS,
        4,
        validation_dataset=_validation,
        callbacks=[_Die(dies_at)],
    )
    return arrays([*model.weights, *model.optimizer.variables])


def main():
    """Trains as one worker and saves the result."""
    folder, result, dies_at = *sys.argv[1:3], int(sys.argv[3])
    try:
        found = train(folder, dies_at)
    except WorkerLost as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(76)
    np.savez(result, *found)


if __name__ == "__main__":
    main()
