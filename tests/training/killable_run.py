"""Trains for three epochs; prints "training" when the first step is about to be taken.

Its arguments are the folder of the run, a file for weights and optimizer at the end,
and the number of steps of an epoch.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from tests.training.toys import (
    SMALL,
    TWO_STEPS,
    arrays,
    batches_from,
    validation_batches,
)
from tf_diffseg.training import KernelDecayAdamW, mirrored_strategy
from tf_diffseg.training.fit import fit
from tf_diffseg.training.flat_network import flat_network


def main():
    """Trains, with everything that a step can depend on."""
    folder, result, steps = *sys.argv[1:3], int(sys.argv[3])
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(1)
    with mirrored_strategy().scope():
        model = flat_network(
            2,
            **SMALL,
            **TWO_STEPS,
            dropout=0.1,
            timestep_sampling="loss",
            strategy="self_conditioning",
        )
        model.compile(
            KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.9), accumulation_steps=2
        )

    def make_dataset(*place):
        print("training", flush=True)
        return batches_from(*place, steps, size=8)

    fit(
        model,
        make_dataset,
        folder,
        3,
        steps,
        2,
        checkpoint_steps=steps // 6 + 1,
        validation_dataset=validation_batches(3, size=8),
    )
    np.savez(result, *arrays([*model.weights, *model.optimizer.variables]))


if __name__ == "__main__":
    main()
